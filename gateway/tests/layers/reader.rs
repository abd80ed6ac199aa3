//! Reads a source as tokens, so that neither its layout nor its comments and texts matter.

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};

/// Reads which top-level modules a source names, whichever way the path is written: in a declaration,
/// an expression, a macro or a nested group, from `crate` or by enough `super`.
#[derive(Default)]
pub(crate) struct Reader {
    pub(crate) named: BTreeSet<String>,
    /// What would hide a name from this reader.
    pub(crate) tricks: BTreeSet<&'static str>,
}

impl Reader {
    /// Reads a file that stands in that many modules.
    pub(crate) fn of(text: &str, depth: usize) -> Self {
        let mut reader = Self::default();
        reader.read(text.parse().unwrap(), depth);
        reader
    }

    fn read(&mut self, stream: TokenStream, depth: usize) {
        let tokens: Vec<TokenTree> = stream.into_iter().collect();
        for (at, token) in tokens.iter().enumerate() {
            let (before, after) = (&tokens[..at], &tokens[at + 1..]);
            match token {
                TokenTree::Group(group) => {
                    let is_module = matches!(before, [.., mark, _] if is(mark, "mod"));
                    self.read(group.stream(), depth + usize::from(is_module));
                }
                TokenTree::Ident(word) if word == "crate" => self.path(after, 0),
                // One in the middle of a path was counted from its beginning.
                TokenTree::Ident(word) if word == "super" && !continues(before) => {
                    self.path_upwards(after, depth);
                }
                TokenTree::Ident(word) if word == "include" && next_is(after, "!") => {
                    self.tricks.insert("includes a source");
                }
                TokenTree::Ident(word) if word == "path" && next_is(after, "=") => {
                    let starts = before.is_empty() || next_is(&before[before.len() - 1..], ",");
                    if starts && matches!(after, [_, TokenTree::Literal(_), ..]) {
                        self.tricks.insert("says where a module is");
                    }
                }
                _ => {}
            }
        }
    }

    /// What follows the first `super` of a path in that many modules.
    fn path_upwards(&mut self, mut after: &[TokenTree], depth: usize) {
        let Some(mut left) = depth.checked_sub(1) else {
            self.tricks.insert("leads out of the crate");
            return;
        };
        while let [a, b, up, rest @ ..] = after
            && is(a, ":")
            && is(b, ":")
            && is(up, "super")
        {
            let Some(less) = left.checked_sub(1) else {
                self.tricks.insert("leads out of the crate");
                return;
            };
            (left, after) = (less, rest);
        }
        self.path(after, left);
    }

    /// What follows the name of a module that is itself in that many modules.
    fn path(&mut self, after: &[TokenTree], depth: usize) {
        match after {
            [word, ..] if depth == 0 && (is(word, "as") || is(word, "self")) => {
                self.tricks.insert("gives the root another name");
            }
            [a, b, TokenTree::Group(group), ..] if is(a, ":") && is(b, ":") => {
                let items: Vec<TokenTree> = group.stream().into_iter().collect();
                for item in items.split(|token| is(token, ",")) {
                    match item {
                        [up, rest @ ..] if is(up, "super") => self.path_upwards(rest, depth),
                        item if depth == 0 => self.name(item),
                        _ => {}
                    }
                }
            }
            [a, b, rest @ ..] if depth == 0 && is(a, ":") && is(b, ":") => self.name(rest),
            _ => {}
        }
    }

    /// A path from the root.
    fn name(&mut self, path: &[TokenTree]) {
        match path {
            [] => {}
            [TokenTree::Ident(name), ..] if name != "self" => {
                self.named.insert(name.to_string());
            }
            _ => {
                self.tricks.insert("gives the root another name");
            }
        }
    }
}

/// The code of a source, without its comments and texts; paths are written without spaces.
pub(crate) fn code_of(text: &str) -> String {
    let mut code = String::new();
    write_code(text.parse().unwrap(), &mut code);
    code
}

fn write_code(stream: TokenStream, code: &mut String) {
    for token in stream {
        match token {
            TokenTree::Group(group) => write_code(group.stream(), code),
            TokenTree::Ident(word) => {
                code.push(' ');
                code.push_str(&word.to_string());
            }
            TokenTree::Punct(mark) => code.push(mark.as_char()),
            TokenTree::Literal(_) => {}
        }
    }
}

fn is(token: &TokenTree, text: &str) -> bool {
    !matches!(token, TokenTree::Group(_)) && token.to_string() == text
}

fn next_is(tokens: &[TokenTree], text: &str) -> bool {
    tokens.first().is_some_and(|token| is(token, text))
}

/// Whether what comes next belongs to a path that began before it, other than by `self`.
fn continues(before: &[TokenTree]) -> bool {
    match before {
        [.., start, a, b] if is(a, ":") && is(b, ":") => !is(start, "self"),
        _ => false,
    }
}
