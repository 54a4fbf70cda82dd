//! Holds `ARCHITECTURE.md` against the workspace: the table of packages against `cargo metadata`, the
//! invariants against the tests that they name; and what every source file owes its reader.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{fs, iter};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

type Names = BTreeSet<String>;

/// One row of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    /// The package's folder: `crates/domain`, `src`.
    package: String,
    /// The packages of the workspace that it uses.
    may_depend_on: Names,
    /// The libraries that no other shipped package uses.
    sole_user_of: Names,
}

/// What cargo knows of one package, normal dependencies only.
#[derive(Debug, Clone, Default)]
struct Package {
    /// The packages of the workspace that it uses.
    uses: Names,
    /// The other libraries that it uses.
    libraries: Names,
}

/// The packages of the workspace by the names of the table: `domain`, `samspor`.
type Graph = BTreeMap<String, Package>;

/// The root package: the binary that is shipped.
const ROOT: &str = "samspor";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn metadata() -> Metadata {
    let mut command = MetadataCommand::new();
    command.manifest_path(root().join("Cargo.toml")).no_deps();
    command.exec().unwrap_or_else(|error| panic!("cargo metadata: {error}"))
}

/// What the table calls a package of the workspace: the last part of its folder.
fn short(package: &str) -> &str {
    package.strip_prefix("samspor-").unwrap_or(package)
}

fn graph(metadata: &Metadata) -> Graph {
    let names: Names = metadata.packages.iter().map(|package| package.name.to_string()).collect();
    let mut graph = Graph::new();
    for package in &metadata.packages {
        let normal =
            package.dependencies.iter().filter(|dependency| dependency.kind == DependencyKind::Normal);
        let (uses, libraries) =
            normal.map(|dependency| dependency.name.clone()).partition(|name| names.contains(name));
        let uses: Names = uses;
        let uses = uses.iter().map(|name| short(name).to_owned()).collect();
        graph.insert(short(&package.name).to_owned(), Package { uses, libraries });
    }
    graph
}

/// The rows of the table whose header begins with `package`.
fn table(markdown: &str) -> Vec<Row> {
    let lines = markdown.lines().skip_while(|line| !line.starts_with("| package |"));
    lines.skip(2).take_while(|line| line.starts_with('|')).map(row).collect()
}

fn row(line: &str) -> Row {
    let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
    let [package, _, may_depend_on, sole_user_of] = cells[..] else { panic!("a row has four cells: {line}") };
    let may_depend_on = may_depend_on.split(", ").filter(|name| *name != "–").map(str::to_owned).collect();
    let package = code(package).next().unwrap_or_else(|| panic!("a package stands in backticks: {line}"));
    Row { package, may_depend_on, sole_user_of: code(sole_user_of).collect() }
}

/// What stands in backticks.
fn code(text: &str) -> impl Iterator<Item = String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned)
}

impl Row {
    fn name(&self) -> &str {
        let last = self.package.rsplit('/').next().unwrap_or(&self.package);
        if last == "src" { ROOT } else { last }
    }
}

/// The packages that the root package is built from, itself included.
fn shipped(graph: &Graph) -> Names {
    let mut shipped = Names::new();
    let mut to_visit = vec![ROOT.to_owned()];
    while let Some(name) = to_visit.pop() {
        if let Some(package) = graph.get(&name)
            && shipped.insert(name)
        {
            to_visit.extend(package.uses.iter().cloned());
        }
    }
    shipped
}

/// Everything in which the table and the workspace differ.
fn differences(rows: &[Row], graph: &Graph) -> Vec<String> {
    let mut differences = Vec::new();
    let shipped = shipped(graph);
    for name in graph.keys().filter(|name| rows.iter().filter(|row| row.name() == *name).count() != 1) {
        differences.push(format!("{name} does not stand in the table once"));
    }
    for row in rows {
        let name = row.name();
        let Some(package) = graph.get(name) else {
            differences.push(format!("there is no package {name}"));
            continue;
        };
        for edge in package.uses.difference(&row.may_depend_on) {
            differences.push(format!("{name} uses {edge}, which the table does not allow"));
        }
        for edge in row.may_depend_on.difference(&package.uses) {
            differences.push(format!("{name} does not use {edge}, which the table says"));
        }
        for library in &row.sole_user_of {
            let users = graph
                .iter()
                .filter(|(name, package)| shipped.contains(*name) && package.libraries.contains(library));
            let users: Vec<&str> = users.map(|(name, _)| name.as_str()).collect();
            if users != [name] {
                differences
                    .push(format!("{library} is used by {users:?}, and the table says by {name} alone"));
            }
        }
    }
    differences
}

#[test]
fn the_table_of_packages_is_the_workspace() {
    let metadata = metadata();
    let rows = table(&read("ARCHITECTURE.md"));
    assert_eq!(differences(&rows, &graph(&metadata)), Vec::<String>::new());
    // The table names folders; each holds the package that it names.
    for row in &rows {
        let folder = if row.name() == ROOT { root() } else { root().join(&row.package) };
        let package = metadata.packages.iter().find(|package| short(&package.name) == row.name());
        assert_eq!(package.and_then(|package| package.manifest_path.parent()).map(Into::into), Some(folder));
    }
}

#[test]
fn any_edge_too_many_or_too_few_is_found() {
    let graph = graph(&metadata());
    let rows = table(&read("ARCHITECTURE.md"));
    let finds = |rows: &[Row], graph: &Graph, what: &str| {
        assert!(!differences(rows, graph).is_empty(), "not found: {what}");
    };
    for (i, row) in rows.iter().enumerate() {
        for other in graph.keys() {
            let mut altered = rows.clone();
            if !altered[i].may_depend_on.remove(other) {
                altered[i].may_depend_on.insert(other.clone());
            }
            finds(&altered, &graph, &format!("the table's edge {} → {other}", row.name()));
            let mut altered = graph.clone();
            let package =
                altered.get_mut(row.name()).unwrap_or_else(|| panic!("{} is a package", row.name()));
            if !package.uses.remove(other) {
                package.uses.insert(other.clone());
            }
            finds(&rows, &altered, &format!("the workspace's edge {} → {other}", row.name()));
        }
        for library in &row.sole_user_of {
            let mut altered = graph.clone();
            altered.entry(row.name().to_owned()).or_default().libraries.remove(library);
            finds(&rows, &altered, &format!("{} without {library}", row.name()));
            for other in shipped(&graph).iter().filter(|other| *other != row.name()) {
                let mut altered = graph.clone();
                altered.entry(other.clone()).or_default().libraries.insert(library.clone());
                finds(&rows, &altered, &format!("{other} with {library}"));
            }
        }
        let mut altered = rows.clone();
        altered.remove(i);
        finds(&altered, &graph, &format!("no row of {}", row.name()));
        altered.extend(iter::repeat_n(row.clone(), 2));
        finds(&altered, &graph, &format!("two rows of {}", row.name()));
    }
    let mut altered = rows.clone();
    altered.push(Row {
        package: "crates/ghost".into(),
        may_depend_on: Names::new(),
        sole_user_of: Names::new(),
    });
    finds(&altered, &graph, "a row without a package");
}

#[test]
fn a_table_is_read_as_it_is_written() {
    let text = "text\n\n\
        | package | lives there | may depend on | sole user of |\n\
        |---|---|---|---|\n\
        | `src` (the root) | the binary | domain, amqp | `clap`, `anyhow` |\n\
        | `crates/domain` | words | – | starting tasks |\n\n\
        | x |";
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Names>();
    let expected = [
        Row {
            package: "src".into(),
            may_depend_on: names(&["domain", "amqp"]),
            sole_user_of: names(&["clap", "anyhow"]),
        },
        Row { package: "crates/domain".into(), may_depend_on: names(&[]), sole_user_of: names(&[]) },
    ];
    assert_eq!(table(text), expected);
    assert_eq!(expected[0].name(), ROOT);
}

#[test]
fn of_what_is_shipped_only_the_root_package_names_adapters() {
    let rows = table(&read("ARCHITECTURE.md"));
    let adapters: Names = rows
        .iter()
        .filter(|row| row.package.starts_with("adapters/"))
        .map(|row| row.name().to_owned())
        .collect();
    assert!(!adapters.is_empty());
    let graph = graph(&metadata());
    for name in shipped(&graph).iter().filter(|name| *name != ROOT) {
        let used: Vec<_> = graph[name].uses.intersection(&adapters).collect();
        assert!(used.is_empty(), "{name} uses {used:?}");
    }
}

#[test]
fn the_domain_uses_nothing_that_does_io() {
    let graph = graph(&metadata());
    let allowed = ["async-trait", "bytes", "jiff", "rust_decimal", "serde", "thiserror"];
    let used: Vec<&str> = graph["domain"].libraries.iter().map(String::as_str).collect();
    assert_eq!(used, allowed, "a library is added here only after a look at what it does");
    // The ways out that need no library.
    for path in rust_files(&root().join("crates/domain/src")) {
        let text = read(&path);
        for word in
            ["std::fs", "std::net", "std::env", "std::process", "SystemTime", "Instant::now", "::now()"]
        {
            assert!(!text.contains(word), "{} says {word}", path.display());
        }
    }
}

#[test]
fn nothing_is_named_after_everything() {
    for package in graph(&metadata()).keys() {
        assert!(
            !["core", "common", "utils", "types"].contains(&package.as_str()),
            "{package} is a name for anything"
        );
    }
    for path in rust_files(&root()) {
        let module = path.with_extension("");
        let name = module.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        assert!(
            !["common", "helpers", "misc", "types", "util", "utils"].contains(&name),
            "{} is a name for anything",
            path.display()
        );
    }
}

#[test]
fn every_source_file_says_what_it_is_for() {
    let files = rust_files(&root());
    assert!(files.len() > 30, "only {} files were found", files.len());
    for path in files {
        let text = read(&path);
        let first = text.lines().next().unwrap_or_default();
        assert!(
            first.strip_prefix("//! ").is_some_and(|words| words.len() > 3),
            "{} does not",
            path.display()
        );
    }
}

/// Every `.rs` file below a folder, without what is built or hidden.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let path = entry.unwrap_or_else(|error| panic!("{}: {error}", folder.display())).path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            files.extend(rust_files(&path));
        } else if name.ends_with(".rs") {
            files.push(path);
        }
    }
    files
}

/// What one invariant says of its guards: files, and the tests in them.
fn guards(invariant: &str) -> Option<Vec<(String, Vec<String>)>> {
    let (_, said) = invariant.split_once("*Guarded by*")?;
    let mut guards: Vec<(String, Vec<String>)> = Vec::new();
    for word in code(said) {
        if word.contains(['/', '.']) {
            guards.push((word, Vec::new()));
        } else if let Some((_, tests)) = guards.last_mut() {
            tests.push(word);
        }
    }
    Some(guards)
}

#[test]
fn every_invariant_names_a_test_that_is_there() {
    let text = read("ARCHITECTURE.md");
    let (_, section) =
        text.split_once("## Invariants").unwrap_or_else(|| panic!("there is no section of invariants"));
    let section = section.split("\n## ").next().unwrap_or_default();
    for number in 1..=14 {
        let begin = format!("\n{number}. ");
        let (_, rest) =
            section.split_once(&begin).unwrap_or_else(|| panic!("there is no invariant {number}"));
        let invariant = rest.split(&format!("\n{}. ", number + 1)).next().unwrap_or_default();
        let Some(guards) = guards(invariant) else {
            assert!(invariant.contains("*Guarded later*"), "invariant {number} does not say what guards it");
            continue;
        };
        assert!(!guards.is_empty(), "invariant {number} names no file");
        for (file, tests) in guards {
            let source = read(&file);
            for test in tests {
                assert!(
                    source.contains(&format!("fn {test}(")),
                    "invariant {number}: {file} has no test {test}"
                );
            }
        }
    }
}

#[test]
fn guards_are_read_as_they_are_written() {
    let invariant = "Money `x` is no float. *Guarded by* `a/b.rs` (`one`, `two`) and `clippy.toml`.";
    let expected = vec![
        ("a/b.rs".to_owned(), vec!["one".to_owned(), "two".to_owned()]),
        ("clippy.toml".to_owned(), Vec::new()),
    ];
    assert_eq!(guards(invariant), Some(expected));
    assert_eq!(guards("Not yet. *Guarded later*."), None);
}
