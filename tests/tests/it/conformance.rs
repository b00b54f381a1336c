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

/// Every scenario stands in the Python programs, and they have no other. AGB's has the others' and its own.
#[test]
fn the_python_programs_have_exactly_the_scenarios() -> Result<()> {
    let catalogue = Catalogue::load()?;
    for (program, is_agb) in [("python", false), ("agb", true)] {
        let its = catalogue
            .scenarios
            .iter()
            .filter(|scenario| (scenario.columns.as_deref().is_some_and(|columns| columns.starts_with("agb-"))) == is_agb);
        let mut wanted: Vec<_> = its.map(|scenario| scenario.id.clone()).collect();
        let mut found = scenarios_in(program)?;
        found.sort();
        wanted.sort();
        ensure!(found == wanted, "{program}: the program has {found:?}, scenarios.toml {wanted:?}");
    }
    Ok(())
}

fn scenarios_in(program: &str) -> Result<Vec<String>> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance").join(program).join("scenarios");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "py") {
            let text = std::fs::read_to_string(path)?;
            found.extend(text.lines().filter_map(|line| Some(line.strip_prefix("@scenario(\"")?.strip_suffix("\")")?.to_owned())));
        }
    }
    Ok(found)
}
