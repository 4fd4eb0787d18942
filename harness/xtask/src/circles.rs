//! Checks that the files of the core import one another in one direction, so that each can be read after the files that
//! it builds on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, bail};
use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// The most files that may import one another.
const LARGEST: usize = 2;

/// The files that each file imports. A file includes the directory with its name: `settings` is `settings.rs` and
/// `settings/checks.rs`.
type Imports = BTreeMap<String, BTreeSet<String>>;

/// Checks that no more than [`LARGEST`] files of `src/` import one another in a circle, tests excepted.
pub(crate) fn check() -> anyhow::Result<()> {
    let mut sources = Vec::new();
    read(Path::new("src"), &mut sources)?;
    let circles: Vec<String> = (circles(&imports(&sources)?).iter())
        .filter(|circle| circle.len() > LARGEST)
        .map(|circle| circle.join(", "))
        .collect();
    if !circles.is_empty() {
        bail!("more than {LARGEST} files of src/ import one another in a circle:\n{}", circles.join("\n"));
    }
    Ok(())
}

/// Reads the Rust files below `folder`, each under the name of the file or directory directly in `src/`, as tokens. A
/// file `tests.rs` contains only tests, and so does a directory `tests`.
fn read(folder: &Path, sources: &mut Vec<(String, TokenStream)>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            if !path.ends_with("tests") {
                read(&path, sources)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
            let name = path.iter().nth(1).map(Path::new).and_then(Path::file_stem).and_then(|name| name.to_str());
            let name = name.with_context(|| format!("{} has no name in UTF-8", path.display()))?;
            sources.push((name.to_owned(), tokens(&std::fs::read_to_string(&path)?)?));
        }
    }
    Ok(())
}

/// The tokens of a source. Comments and strings do not import anything.
fn tokens(source: &str) -> anyhow::Result<TokenStream> {
    source.parse().map_err(|error| anyhow::anyhow!("not Rust: {error}"))
}

/// The files that each file imports. What `lib.rs` re-exports counts as the file that defines it; `lib.rs` itself
/// imports all.
fn imports(sources: &[(String, TokenStream)]) -> anyhow::Result<Imports> {
    let files: BTreeSet<&str> = sources.iter().map(|(name, _)| name.as_str()).filter(|name| *name != "lib").collect();
    let (_, root) = sources.iter().find(|(name, _)| name == "lib").context("there is no lib.rs")?;
    let exported = exported(root);
    let mut imports = Imports::new();
    for (name, source) in sources.iter().filter(|(name, _)| name != "lib") {
        let mut named = BTreeSet::new();
        references(source.clone(), &mut named);
        let defining = named.iter().filter_map(|item| match files.get(item.as_str()) {
            Some(file) => Some((*file).to_owned()),
            None => exported.get(item).cloned(),
        });
        imports.entry(name.clone()).or_default().extend(defining.filter(|file| file != name));
    }
    Ok(imports)
}

/// Collects the first name after each `crate::`, outside of `#[cfg(test)]`.
fn references(source: TokenStream, named: &mut BTreeSet<String>) {
    let tokens: Vec<TokenTree> = source.into_iter().collect();
    let mut rest = tokens.as_slice();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match (first, after) {
            (TokenTree::Punct(hash), [TokenTree::Group(attribute), item @ ..])
                if hash.as_char() == '#' && attribute.stream().to_string().replace(' ', "") == "cfg(test)" =>
            {
                let is_end = |token: &TokenTree| match token {
                    TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
                    TokenTree::Punct(punct) => punct.as_char() == ';',
                    TokenTree::Ident(_) | TokenTree::Literal(_) => false,
                };
                rest = item.splitn(2, is_end).nth(1).unwrap_or_default();
            }
            (TokenTree::Ident(root), [colon, _, item, ..]) if root == "crate" && is_colon(colon) => match item {
                TokenTree::Group(group) => named.extend(leading(group)),
                item => drop(named.insert(item.to_string())),
            },
            (TokenTree::Group(group), _) => references(group.stream(), named),
            (TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_), _) => {}
        }
    }
}

/// The first name of each path in `{a::B, c::{D, E}}`.
fn leading(group: &Group) -> Vec<String> {
    let tokens: Vec<TokenTree> = group.stream().into_iter().collect();
    let is_comma = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ',');
    tokens.split(is_comma).filter_map(|path| path.first()).map(TokenTree::to_string).collect()
}

/// The items that `lib.rs` re-exports with `use file::…`, each with its file.
fn exported(root: &TokenStream) -> BTreeMap<String, String> {
    let tokens: Vec<TokenTree> = root.clone().into_iter().collect();
    let mut exported = BTreeMap::new();
    for window in tokens.windows(5) {
        if let [TokenTree::Ident(word), TokenTree::Ident(file), colon, _, item] = window
            && word == "use"
            && is_colon(colon)
        {
            let items = match item {
                TokenTree::Group(group) => leading(group),
                item => vec![item.to_string()],
            };
            exported.extend(items.into_iter().map(|item| (item, file.to_string())));
        }
    }
    exported
}

fn is_colon(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == ':')
}

/// The files that import one another, directly or indirectly; each circle once.
fn circles(imports: &Imports) -> BTreeSet<Vec<&str>> {
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        imports.keys().map(|file| (file.as_str(), reached(file, imports))).collect();
    let reaches = |from: &str, to: &str| reached.get(from).is_some_and(|reached| reached.contains(to));
    let circle = |file: &str| -> Vec<&str> {
        reached.keys().copied().filter(|other| reaches(file, other) && reaches(other, file)).collect()
    };
    reached.keys().map(|file| circle(file)).filter(|circle| circle.len() > 1).collect()
}

/// All files that `file` imports, directly or indirectly.
fn reached<'a>(file: &'a str, imports: &'a Imports) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<&str> = vec![file];
    while let Some(file) = next.pop() {
        let imported = imports.get(file).into_iter().flatten().map(String::as_str);
        next.extend(imported.filter(|imported| reached.insert(*imported)));
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The circles among files with these sources.
    fn found(files: &[(&str, &str)]) -> Vec<Vec<String>> {
        let source = |(name, text): &(&str, &str)| ((*name).to_owned(), tokens(text).unwrap());
        let imports = imports(&files.iter().map(source).collect::<Vec<_>>()).unwrap();
        circles(&imports).iter().map(|circle| circle.iter().map(|file| (*file).to_owned()).collect()).collect()
    }

    const ROOT: (&str, &str) = ("lib", "mod a; mod b; mod c; pub use a::{Apple, pear}; pub use b::Berry;");

    #[test]
    fn a_circle_is_found_in_every_notation() {
        let ways = [
            "use crate::a::Apple;",
            "use crate::{a, b::Berry};",
            "use crate::Apple;",
            "fn eat() { vec![crate::a::pear()] }",
            "#[cfg(test)] mod tests { use super::*; } fn eat() -> crate::Apple { todo!() }",
        ];
        for way in ways {
            let files = [ROOT, ("a", "use crate::Berry;"), ("b", "use crate::c::Cherry;"), ("c", way), ("d", way)];
            assert_eq!(found(&files), [["a", "b", "c"]], "{way}");
        }
    }

    #[test]
    fn comments_strings_and_tests_do_not_import() {
        let ways = [
            "// use crate::a::Apple;",
            "/// See [`crate::a::Apple`].\nfn eat() -> &'static str { \"crate::a::Apple\" }",
            "#[cfg(test)] mod tests { use crate::a::Apple; }",
            "#[cfg(test)] use crate::a::Apple; fn eat() {}",
            "use other::a::Apple;",
            "use crate::plan;",
        ];
        for way in ways {
            let files = [ROOT, ("a", "use crate::Berry;"), ("b", "use crate::c::Cherry;"), ("c", way)];
            assert_eq!(found(&files), Vec::<Vec<String>>::new(), "{way}");
        }
    }

    #[test]
    fn a_directory_belongs_to_its_file() {
        let files = [ROOT, ("a", "use crate::b::Berry;"), ("b", ""), ("b", "use crate::a::Apple;"), ("a", "")];
        assert_eq!(found(&files), [["a", "b"]]);
    }
}
