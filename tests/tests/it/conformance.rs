//! The part of the conformance matrix that every run of the gate does: of each SDK the newest release and an old one.
//! `make conformance` runs all of it.

use anyhow::{Result, ensure};
use tests::Server;
use tests::conformance::{Catalogue, Scenario, Table, Verdicts, document, run};

#[test]
fn the_newest_and_an_old_release_of_each_sdk_do_as_the_table_says() -> Result<()> {
    let catalogue = Catalogue::load()?;
    let server = Server::start()?;
    let scenarios: Vec<&Scenario> = catalogue.scenarios.iter().filter(|scenario| !scenario.slow).collect();
    let (mut verdicts, mut complaints) = (Verdicts::default(), Vec::new());
    for column in catalogue.columns.iter().filter(|column| column.gate) {
        let report = run(&server, column, &scenarios, None);
        let said = verdicts.judge(&catalogue, &report);
        if !said.is_empty() {
            eprintln!("--- the end of what {} said\n{}", column.name(), report.log);
        }
        complaints.extend(said);
    }
    let told = Table::read(&std::fs::read_to_string(document())?)?;
    complaints.extend(Table::of(&catalogue, &verdicts).differences(&told));
    ensure!(complaints.is_empty(), "{}", complaints.join("\n"));
    Ok(())
}

/// Every scenario stands in the Python program, and the program has no other.
#[test]
fn the_python_program_has_exactly_the_scenarios() -> Result<()> {
    let catalogue = Catalogue::load()?;
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/python/scenarios");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "py") {
            let text = std::fs::read_to_string(path)?;
            found.extend(text.lines().filter_map(|line| Some(line.strip_prefix("@scenario(\"")?.strip_suffix("\")")?.to_owned())));
        }
    }
    let mut wanted: Vec<_> = catalogue.scenarios.into_iter().map(|scenario| scenario.id).collect();
    found.sort();
    wanted.sort();
    ensure!(found == wanted, "the program has {found:?}, scenarios.toml {wanted:?}");
    Ok(())
}
