//! What each operation gives under each fault: run from the table in `docs/SEMANTICS.md`, on real
//! mounts. Never other bytes, the mount alive, and the next read right once the fault is over.

mod injection;
mod limits;
mod operations;
mod scene;
mod table;

use std::thread;

use crate::ground::can_mount;
use injection::{Elsewhere, is_throttling};
use scene::Scene;
use table::{Row, rows};

/// Leaves a busy machine room for what has to succeed; what stalls does so side by side.
const TIMEOUT: &str = "8s";

/// Fails with all that is wrong, a line each.
#[track_caller]
fn assert_none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn every_fault_gives_what_the_table_says() {
    if !can_mount() {
        return;
    }
    let all = rows();
    let rows: Vec<&Row> = all.iter().filter(|row| !is_throttling(row)).collect();
    assert!(rows.len() > 25, "the table was not found");
    let (refused, rows): (Vec<&Row>, Vec<&Row>) =
        rows.into_iter().partition(|row| row.fault == "connection refused");
    let elsewhere = Elsewhere::start();
    let scene = Scene::of(&rows);
    let mount = scene.mount();
    let complaints: Vec<String> = thread::scope(|scope| {
        let scene = &scene;
        let (elsewhere, mount) = (&elsewhere, &mount);
        let runs: Vec<_> =
            rows.iter().map(|row| scope.spawn(move || scene.run(row, elsewhere, mount))).collect();
        runs.into_iter().flat_map(|run| run.join().unwrap()).collect()
    });
    assert_none(&complaints);
    drop(mount);
    // On a ground of its own, where nothing is known from the others.
    let mut scene = Scene::of(&refused);
    let mount = scene.mount();
    assert_none(&scene.run_refused(refused[0], &mount));
}

/// The vendor that asks to slow down is a host that is left alone for a while, so each of these rows
/// has a host and a mount of its own.
#[test]
fn a_host_that_asks_to_slow_down_gives_what_the_table_says() {
    if !can_mount() {
        return;
    }
    let all = rows();
    let rows: Vec<&Row> = all.iter().filter(|row| is_throttling(row)).collect();
    assert!(rows.len() > 3, "the table was not found");
    let elsewhere = Elsewhere::start();
    let run = |row: &Row| {
        let scene = Scene::of(&[row]);
        let mount = scene.mount();
        let complaints = scene.run(row, &elsewhere, &mount);
        drop(mount);
        // A host that asked for an hour gets it, from a mount that heard it.
        let mount = scene.mount();
        [complaints, scene.read_all(row, &mount)].concat()
    };
    let complaints: Vec<String> = thread::scope(|scope| {
        let run = &run;
        let runs: Vec<_> = rows.iter().map(|row| scope.spawn(move || run(row))).collect();
        runs.into_iter().flat_map(|run| run.join().unwrap()).collect()
    });
    assert_none(&complaints);
}
