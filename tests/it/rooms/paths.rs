//! Finds the paths in a Rust file, as far as it takes to say which rooms and libraries they begin
//! with. It works on tokens: comments and literals are out of the way, and arguments of macros and
//! attributes count like any other code. Items under `#[cfg(test)]` do not count.

use std::str::FromStr;

use proc_macro2::{Delimiter, LexError, TokenStream, TokenTree};

/// Words behind which a path may begin with `::`, and which are then no part of it.
const BEFORE_A_PATH: [&str; 8] = ["use", "as", "dyn", "impl", "in", "return", "mut", "for"];

/// A path's beginning that leads out of the file's own room, or may do so.
#[derive(Debug)]
pub(super) enum Mention {
    /// `crate::name`, or the same by way of `reelfs::` or `super::`.
    Room {
        /// Line of the path's first word, from 1.
        line: usize,
        /// The first module of the path.
        name: String,
    },
    /// `name::…`, or `use name`.
    Library {
        /// Line of the name, from 1.
        line: usize,
        /// The path's first word. It need not be a library.
        name: String,
    },
}

/// All mentions of `text`, a file whose module is `depth` modules below the crate's root.
pub(super) fn mentions(text: &str, depth: usize) -> Result<Vec<Mention>, LexError> {
    let mut found = Vec::new();
    walk(TokenStream::from_str(text)?, depth, &mut found);
    Ok(found)
}

/// Goes through the tokens of a module `depth` below the root, or of a group in it.
fn walk(stream: TokenStream, depth: usize, found: &mut Vec<Mention>) {
    let tokens: Vec<TokenTree> = stream.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        if is_for_tests(&tokens[at..]) {
            at = end_of_item(&tokens, at);
            continue;
        }
        match &tokens[at..] {
            [TokenTree::Ident(word), TokenTree::Ident(_), TokenTree::Group(body), ..]
                if word == "mod" =>
            {
                walk(body.stream(), depth + 1, found);
                at += 3;
            }
            // `'word` is a lifetime or a label.
            [TokenTree::Punct(mark), TokenTree::Ident(_), ..] if mark.as_char() == '\'' => at += 2,
            [TokenTree::Ident(word), ..] if BEFORE_A_PATH.contains(&word.to_string().as_str()) => {
                at += 1;
            }
            [TokenTree::Ident(_), ..] => {
                let imported = at > 0
                    && matches!(&tokens[at - 1], TokenTree::Ident(w) if w == "use" || w == "crate");
                at = read_path(&tokens, at, &[], &mut |line, path| {
                    if path.len() > 1 || imported {
                        found.extend(mention(line, path, depth));
                    }
                });
            }
            [TokenTree::Group(group), ..] => {
                walk(group.stream(), depth, found);
                at += 1;
            }
            _ => at += 1,
        }
    }
}

/// Hands `found` each path that begins at the word `at`, behind `prefix`: one, or as many as the
/// braces of a `use` hold. Returns where the tokens go on.
fn read_path(
    tokens: &[TokenTree],
    mut at: usize,
    prefix: &[String],
    found: &mut dyn FnMut(usize, &[String]),
) -> usize {
    let line = tokens[at].span().start().line;
    let mut path = prefix.to_vec();
    while let Some(TokenTree::Ident(word)) = tokens.get(at) {
        path.push(word.to_string());
        at += 1;
        if !is_path_separator(&tokens[at..]) {
            break;
        }
        at += 2;
        if let Some(TokenTree::Group(group)) = tokens.get(at)
            && group.delimiter() == Delimiter::Brace
        {
            let inner: Vec<TokenTree> = group.stream().into_iter().collect();
            let is_comma = |t: &TokenTree| matches!(t, TokenTree::Punct(p) if p.as_char() == ',');
            for item in inner.split(is_comma).filter(|item| !item.is_empty()) {
                read_path(item, 0, &path, found);
            }
            return at + 1;
        }
    }
    found(line, &path);
    at
}

/// What a path's first words say, seen from a module `depth` below the root. `None` when the path
/// stays within the room.
fn mention(line: usize, path: &[String], depth: usize) -> Option<Mention> {
    let word = |at: usize| path.get(at).map(String::as_str);
    let start = usize::from(word(0) == Some("self"));
    let ups = path[start..].iter().take_while(|word| *word == "super").count();
    let behind_root = match word(0)? {
        "crate" | "reelfs" => Some(1),
        _ if ups > 0 && ups == depth => Some(start + ups),
        "self" | "super" | "Self" => return None,
        _ => None,
    };
    match behind_root {
        Some(at) => Some(Mention::Room { line, name: word(at)?.to_owned() }),
        None => Some(Mention::Library { line, name: word(0)?.to_owned() }),
    }
}

fn is_path_separator(tokens: &[TokenTree]) -> bool {
    matches!(tokens, [TokenTree::Punct(a), TokenTree::Punct(b), ..]
        if a.as_char() == ':' && b.as_char() == ':')
}

/// Whether the tokens begin with `#[cfg(test)]`.
fn is_for_tests(tokens: &[TokenTree]) -> bool {
    matches!(tokens, [TokenTree::Punct(mark), TokenTree::Group(attribute), ..]
        if mark.as_char() == '#' && attribute.stream().to_string().replace(' ', "") == "cfg(test)")
}

/// Where the tokens go on behind the item that begins at `at`: behind its body, or its semicolon.
fn end_of_item(tokens: &[TokenTree], at: usize) -> usize {
    let ends = |token: &TokenTree| match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        TokenTree::Punct(mark) => mark.as_char() == ';',
        _ => false,
    };
    let rest = tokens[at..].iter().position(ends);
    rest.map_or(tokens.len(), |length| at + length + 1)
}
