//! The three forms of a list: a table with or without a header, JSON lines, one link a line. Pure.

use std::borrow::Cow;

use csv::{ReaderBuilder, StringRecord};
use serde_json::{Map, Value};

use super::row;

/// The cells of a line by their headings, or why it has none.
pub(super) type Cells = Result<Map<String, Value>, &'static str>;

/// Delimiters, in the order in which they win a tie.
const DELIMITERS: [char; 3] = [',', ';', '\t'];

/// The text of a list: UTF-8, or UTF-16 with its mark, which spreadsheets call Unicode text.
pub(super) fn decode(bytes: &[u8]) -> Cow<'_, str> {
    let wide = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let units: Vec<_> = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect();
        String::from_utf16_lossy(&units).into()
    };
    match bytes {
        [0xFF, 0xFE, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => wide(rest, u16::from_be_bytes),
        _ => String::from_utf8_lossy(bytes),
    }
}

/// Gives each line that is not empty, with its number from 1, to `take`.
pub(super) fn read(text: &str, mut take: impl FnMut(u64, Cells)) {
    let text = text.trim_start_matches('\u{feff}');
    if text.trim_start().starts_with('{') {
        for (line, number) in text.lines().zip(1..) {
            if !line.trim().is_empty() {
                take(number, serde_json::from_str(line).map_err(|_| "no JSON object"));
            }
        }
        return;
    }
    let delimiter = delimiter(text.trim_start().lines().next().unwrap_or_default());
    let mut table = Table { delimiter, is_first: true, headings: None };
    let (mut rest, mut line) = (text, 1);
    while let Some(Open { record, quote }) = open_quote(rest, delimiter) {
        table.read(&rest[..record], line, &mut take);
        line += newlines(&rest[..quote]);
        take(line, Err("a quote that opens here does not close"));
        let end = rest[quote..].find('\n').map_or(rest.len(), |newline| quote + newline + 1);
        rest = &rest[end..];
        line += 1;
    }
    table.read(rest, line, &mut take);
}

/// What is known of a table while its lines are read.
struct Table {
    delimiter: u8,
    is_first: bool,
    headings: Option<StringRecord>,
}

impl Table {
    /// Reads a part whose first line has this number.
    fn read(&mut self, part: &str, line: u64, take: &mut impl FnMut(u64, Cells)) {
        let mut reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(self.delimiter)
            .from_reader(part.as_bytes());
        let mut lines = Lines { text: part.as_bytes(), at: 0, line };
        for record in reader.records() {
            let Ok(record) = record else {
                take(0, Err("no text"));
                continue;
            };
            let line = record.position().map_or(0, |position| lines.of(position.byte()));
            let has_link = record.iter().any(row::is_link);
            if std::mem::take(&mut self.is_first) && !has_link {
                self.headings = Some(record);
            } else if record.iter().any(|cell| !cell.trim().is_empty()) {
                take(line, cells(&record, self.headings.as_ref()));
            }
        }
    }
}

/// A quote that opens a cell and does not close it, by its place in bytes.
struct Open {
    /// Where its record begins.
    record: usize,
    quote: usize,
}

/// The first quote that would swallow lines: it never closes, or where it does, on another line, no
/// cell ends, so that the closing one belongs to somebody else.
fn open_quote(text: &str, delimiter: u8) -> Option<Open> {
    let ends_cell = |byte: Option<&u8>| byte.is_none_or(|b| *b == delimiter || b"\r\n".contains(b));
    let bytes = text.as_bytes();
    let (mut record, mut at, mut begins_cell) = (0, 0, true);
    while let Some(byte) = bytes.get(at) {
        if *byte == b'"' && begins_cell {
            let quote = at;
            at = closing(bytes, quote);
            let spans = bytes[quote..at].contains(&b'\n');
            if at == bytes.len() || spans && !ends_cell(bytes.get(at + 1)) {
                return Some(Open { record, quote });
            }
        }
        begins_cell = ends_cell(bytes.get(at));
        at += 1;
        if matches!(byte, b'\r' | b'\n') {
            record = at;
        }
    }
    None
}

/// Where the quote that opens at a place closes; the end of the text where it does not.
fn closing(bytes: &[u8], quote: usize) -> usize {
    let mut at = quote + 1;
    while let Some(byte) = bytes.get(at) {
        match (*byte, bytes.get(at + 1)) {
            (b'"', Some(b'"')) => at += 2,
            (b'"', _) => return at,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn newlines(text: &str) -> u64 {
    text.bytes().map(|byte| u64::from(byte == b'\n')).sum()
}

/// Counts lines as an editor does, also those inside of quotes.
struct Lines<'a> {
    text: &'a [u8],
    at: usize,
    line: u64,
}

impl Lines<'_> {
    /// The number of the line on which a record begins, given where the one before it ended.
    fn of(&mut self, byte: u64) -> u64 {
        let begin = usize::try_from(byte).unwrap_or(usize::MAX);
        while let Some(byte) = self.text.get(self.at)
            && (self.at < begin || matches!(byte, b'\r' | b'\n'))
        {
            self.line += u64::from(*byte == b'\n');
            self.at += 1;
        }
        self.line
    }
}

fn cells(record: &StringRecord, headings: Option<&StringRecord>) -> Cells {
    if headings.is_some_and(|headings| record.len() < headings.len()) {
        return Err("fewer columns than the header, as if cut off");
    }
    let heading = |index: usize| {
        let heading = headings.and_then(|headings| headings.get(index)).map(str::trim);
        let heading = heading.filter(|heading| !heading.is_empty());
        heading.map_or_else(|| format!("column {}", index + 1), str::to_owned)
    };
    let cells = record.iter().enumerate();
    Ok(cells.map(|(index, cell)| (heading(index), Value::from(cell.trim()))).collect())
}

/// What stands most often in the first line, outside of quotes and of links.
fn delimiter(line: &str) -> u8 {
    let (mut quoted, mut counts) = (false, [0_usize; DELIMITERS.len()]);
    for c in line.chars() {
        quoted ^= c == '"';
        let found = DELIMITERS.iter().position(|delimiter| *delimiter == c && !quoted);
        if let Some(found) = found {
            counts[found] += 1;
        }
    }
    let best = (0..DELIMITERS.len()).rev().max_by_key(|&at| counts[at]).unwrap_or(0);
    match DELIMITERS[best] {
        ';' => b';',
        '\t' => b'\t',
        _ => b',',
    }
}
