//! Which modules of a crate use which, as their text tells.
//!
//! **Invariants**
//! - *A module is a file*. Whoever names what a module only imports uses the module where that is defined.
//! - *Tests are apart*: what stands behind `#[cfg(test)]` uses whatever it tests.
//!
//! **Absent**: macros, and what a path means that begins with an imported name; its import is seen.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

/// The names that lead to a module from the root of its crate.
type Name = Vec<String>;

/// A module: its file, what it imports under which name, and all paths in it.
struct Module {
    file: String,
    imports: BTreeMap<String, Vec<String>>,
    paths: Vec<Vec<String>>,
}

/// The modules of a crate, and which of them each uses.
pub(crate) struct Modules {
    modules: BTreeMap<Name, Module>,
}

impl Modules {
    /// Those of the crate with its sources in this folder.
    pub(crate) fn of(sources: &Path) -> Modules {
        let mut modules = Modules { modules: BTreeMap::new() };
        modules.read(sources, Vec::new(), "lib.rs".into());
        modules
    }

    fn read(&mut self, sources: &Path, name: Name, file: String) {
        let text = std::fs::read_to_string(sources.join(&file)).unwrap();
        let text = without_tests(&without_comments(&text));
        let (imported, rest) = imports_and_rest(&text);
        let children = rest.split(';').filter_map(|statement| {
            let (before, child) = statement.trim_end().rsplit_once(char::is_whitespace)?;
            before.ends_with("mod").then(|| child.to_owned())
        });
        for child in children {
            let name = [&name[..], &[child]].concat();
            self.read(sources, name.clone(), name.join("/") + ".rs");
        }
        let mut paths: Vec<Vec<String>> = imported.iter().map(|(_, path)| path.clone()).collect();
        paths.extend(paths_in(&rest));
        self.modules.insert(name, Module { file, imports: imported.into_iter().collect(), paths });
    }

    /// The module in which a path ends that stands in a module, if it is of this crate.
    fn find(&self, from: &Name, path: &[String], steps: usize) -> Option<Name> {
        let (mut at, mut rest) = (from.clone(), path);
        match path.first()?.as_str() {
            "crate" => (at, rest) = (Vec::new(), &path[1..]),
            "self" => rest = &path[1..],
            "super" => {
                while let Some("super") = rest.first().map(String::as_str) {
                    at.pop()?;
                    rest = &rest[1..];
                }
            }
            child if !self.modules.contains_key(&[&at[..], &[child.to_owned()]].concat()) => {
                return None;
            }
            _ => {}
        }
        while let Some((child, behind)) = rest.split_first() {
            let below = [&at[..], std::slice::from_ref(child)].concat();
            if !self.modules.contains_key(&below) {
                break;
            }
            (at, rest) = (below, behind);
        }
        // Two modules may import the same name from each other's globs: so many steps, and no more.
        if let (Some((name, behind)), true) = (rest.split_first(), steps > 0)
            && let Some(import) = self.modules[&at].imports.get(name)
            && let Some(defined) = self.find(&at, &[&import[..], behind].concat(), steps - 1)
        {
            return Some(defined);
        }
        Some(at)
    }

    /// The files that each file uses.
    pub(crate) fn uses(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let mut uses = BTreeMap::new();
        for (name, Module { file, paths, .. }) in &self.modules {
            let used = paths.iter().filter_map(|path| self.find(name, path, 8));
            let files = used.filter(|used| used != name).map(|used| &*self.modules[&used].file);
            uses.insert(file.as_str(), files.collect());
        }
        uses
    }
}

/// For each use that closes a circle, the shortest such circle.
pub(crate) fn circles<'a>(uses: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> BTreeSet<Vec<&'a str>> {
    let edges = uses.iter().flat_map(|(user, used)| used.iter().map(|used| (*user, *used)));
    let closed = edges.filter_map(|(user, used)| {
        let way = way(uses, used, user)?;
        Some([vec![user], way].concat())
    });
    closed.collect()
}

/// The shortest way from one file to another.
fn way<'a>(
    uses: &BTreeMap<&'a str, BTreeSet<&'a str>>,
    from: &'a str,
    to: &'a str,
) -> Option<Vec<&'a str>> {
    let mut ways = VecDeque::from([vec![from]]);
    let mut seen = BTreeSet::from([from]);
    while let Some(way) = ways.pop_front() {
        let at = way[way.len() - 1];
        if at == to {
            return Some(way);
        }
        let next = uses[at].iter().filter(|next| seen.insert(**next));
        ways.extend(next.map(|next| [way.clone(), vec![*next]].concat()));
    }
    None
}

/// Without comments, and without what stands in quotes.
fn without_comments(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("r#\"") {
            rest.find("\"#").map_or(rest.len(), |end| end + 2)
        } else if c == '"' {
            let mut escaped = false;
            let is_end = |(_, c): &(usize, char)| {
                let ends = *c == '"' && !escaped;
                escaped = *c == '\\' && !escaped;
                ends
            };
            rest[1..].char_indices().find(is_end).map_or(rest.len(), |(end, _)| end + 2)
        } else if let Some(escaped) = rest.strip_prefix("'\\") {
            escaped[1..].find('\'').map_or(rest.len(), |end| end + 4)
        } else if c == '\'' && rest.chars().nth(2) == Some('\'') {
            rest.char_indices().nth(3).map_or(rest.len(), |(end, _)| end)
        } else {
            kept.push(c);
            c.len_utf8()
        };
        rest = &rest[skipped..];
    }
    kept
}

/// Without the items that stand behind `#[cfg(test)]`.
fn without_tests(text: &str) -> String {
    const TEST: &str = "#[cfg(test)]";
    let Some((before, behind)) = text.split_once(TEST) else { return text.to_owned() };
    let mut depth = 0;
    let ends = |(_, c): &(usize, char)| {
        depth += i32::from(*c == '{') - i32::from(*c == '}');
        depth == 0 && matches!(c, '}' | ';')
    };
    let end = behind.char_indices().find(ends).map_or(behind.len(), |(end, _)| end + 1);
    before.to_owned() + &without_tests(&behind[end..])
}

/// What is imported, each under its name, and the text besides.
fn imports_and_rest(text: &str) -> (Vec<(String, Vec<String>)>, String) {
    let (mut imports, mut rest) = (Vec::new(), String::new());
    for statement in text.split_inclusive(';') {
        let at = statement.rfind("use ").filter(|at| {
            let before = statement[..*at].trim_end_matches(' ');
            before.is_empty() || before.ends_with(['\n', ')', '}', '{', 'b'])
        });
        let Some(at) = at else {
            rest.push_str(statement);
            continue;
        };
        rest.push_str(&statement[..at]);
        let tree: String = statement[at + 4..].split_whitespace().collect::<Vec<_>>().join(" ");
        flatten(tree.trim_end_matches(';'), &[], &mut imports);
    }
    (imports, rest)
}

/// Adds what a tree of imports comes to, below this path.
fn flatten(tree: &str, below: &[String], imports: &mut Vec<(String, Vec<String>)>) {
    let tree = tree.trim();
    if let Some((path, list)) = tree.split_once('{') {
        let below = [below, &segments(path)].concat();
        let (mut depth, mut begun) = (0, 0);
        let list = list.trim_end().trim_end_matches('}');
        // The last brace that belongs to a tree in the list was taken with ours.
        let missing = list.matches('{').count() - list.matches('}').count();
        let list = list.to_owned() + &"}".repeat(missing);
        for (at, c) in list.char_indices() {
            depth += i32::from(c == '{') - i32::from(c == '}');
            if c == ',' && depth == 0 {
                flatten(&list[begun..at], &below, imports);
                begun = at + 1;
            }
        }
        return flatten(&list[begun..], &below, imports);
    }
    let (path, alias) = tree.split_once(" as ").map_or((tree, None), |(p, a)| (p, Some(a.trim())));
    let mut path = [below, &segments(path)].concat();
    if path.last().is_some_and(|last| last == "self" && path.len() > 1) {
        path.pop();
    }
    if let Some(last) = path.last().cloned() {
        imports.push((alias.map_or(last, str::to_owned), path));
    }
}

fn segments(path: &str) -> Vec<String> {
    path.split("::").map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// All paths of two names and more.
fn paths_in(text: &str) -> Vec<Vec<String>> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let words = text.split(|c: char| !is_part(c)).filter(|word| word.contains("::"));
    words.map(segments).filter(|path| path.len() > 1).collect()
}
