//! `--metrics`: a mount's counters as OpenMetrics text, for Prometheus and its like.

use std::fmt::{self, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use super::control::{Status, Subject};
use super::problem::Problem;

/// See the specification of OpenMetrics 1.0, "Protocol Negotiation".
const KIND: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A server of metrics; it ends when this is dropped.
pub(super) struct Exporter(AbortHandle);

impl Exporter {
    /// Serves `/metrics` at an address. Must be called within a tokio runtime.
    pub(super) async fn start(at: SocketAddr, subject: Arc<Subject>) -> Result<Self, Problem> {
        let listener = TcpListener::bind(at).await;
        let listener = listener
            .map_err(|error| Problem::new(&format!("--metrics: cannot use {at}"), error))?;
        let page =
            get(move || async move { ([(CONTENT_TYPE, KIND)], text(&subject.status().await)) });
        let routes = Router::new().route("/metrics", page);
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, routes).await {
                tracing::warn!(%error, "metrics are served no longer");
            }
        });
        Ok(Self(task.abort_handle()))
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The text of a status.
fn text(status: &Status) -> String {
    let Status { requests, cache, news, bytes, .. } = status;
    let about = format!(
        "{{version=\"{}\",source=\"{}\",mountpoint=\"{}\"}}",
        escaped(&status.version),
        escaped(&status.source),
        escaped(&status.mountpoint.to_string_lossy())
    );
    let seconds = |time: Timestamp| u64::try_from(time.as_second()).unwrap_or(0);
    let mut page = Page(String::new());
    page.info("reelfs_build", "The mount.", &about);
    let errands = [("{errand=\"api\"}", requests.api), ("{errand=\"media\"}", requests.media)];
    page.counter("reelfs_requests", "Requests sent to the vendor.", &errands);
    let help = "Requests that got no answer, or one that says no.";
    page.counter("reelfs_refused_requests", help, &[("", requests.refused)]);
    page.gauge("reelfs_requests_today", "Requests since the day (UTC) began.", requests.today);
    if let Some(left) = requests.left {
        let help = "Requests of the day's budget that are left.";
        page.gauge("reelfs_requests_left", help, left);
    }
    page.gauge("reelfs_requests_in_flight", "Requests under way.", requests.in_flight);
    let outcomes = [("{outcome=\"hit\"}", cache.hits), ("{outcome=\"miss\"}", cache.misses)];
    page.counter("reelfs_blocks", "Blocks that readers wanted.", &outcomes);
    page.gauge("reelfs_memory_bytes", "Blocks held in memory.", cache.memory_bytes);
    if let Some(disk) = &cache.disk {
        page.gauge("reelfs_disk_bytes", "Blocks kept on disk.", disk.bytes);
        page.gauge("reelfs_disk_limit_bytes", "The most that they may take.", disk.limit_bytes);
        page.gauge("reelfs_disk_files", "Files that hold them.", disk.files);
        let text = "1 when the disk has failed or is full, so that nothing more is kept.";
        page.gauge("reelfs_disk_off", text, u64::from(disk.is_off));
    }
    let help = "Queries for news that nobody asked for.";
    page.counter("reelfs_polls", help, &[("", news.queries)]);
    let help = "Days whose listing was seen to change.";
    page.counter("reelfs_changed_days", help, &[("", news.changes)]);
    let help = "Bytes that came over the network.";
    page.counter("reelfs_fetched_bytes", help, &[("", bytes.fetched)]);
    page.counter("reelfs_served_bytes", "Bytes given to readers.", &[("", bytes.served)]);
    let help = "Operations of the filesystem that failed.";
    page.counter("reelfs_failed_operations", help, &[("", status.failed_operations)]);
    page.gauge("reelfs_start_seconds", "When it was mounted.", seconds(status.started));
    if let Some(token) = &status.token {
        let help = "When the token in use runs out.";
        page.gauge("reelfs_token_expiry_seconds", help, seconds(token.expires));
    }
    page.0.push_str("# EOF\n");
    page.0
}

/// The page, as far as it is written.
struct Page(String);

impl Page {
    fn counter(&mut self, name: &str, help: &str, samples: &[(&str, u64)]) {
        self.describe(name, "counter", help);
        for (labels, value) in samples {
            self.line(format_args!("{name}_total{labels} {value}"));
        }
    }

    fn gauge(&mut self, name: &str, help: &str, value: u64) {
        self.describe(name, "gauge", help);
        self.line(format_args!("{name} {value}"));
    }

    fn info(&mut self, name: &str, help: &str, labels: &str) {
        self.describe(name, "info", help);
        self.line(format_args!("{name}_info{labels} 1"));
    }

    /// What comes before the samples of a family. Its unit is the end of its name.
    fn describe(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# TYPE {name} {kind}"));
        for unit in ["bytes", "seconds"] {
            if name.ends_with(unit) {
                self.line(format_args!("# UNIT {name} {unit}"));
            }
        }
        self.line(format_args!("# HELP {name} {help}"));
    }

    fn line(&mut self, line: fmt::Arguments<'_>) {
        // Writing to a text cannot fail.
        let _ = writeln!(self.0, "{line}");
    }
}

/// A label's value.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
