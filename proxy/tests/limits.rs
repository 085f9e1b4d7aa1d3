//! `docs/limits.md` says what the code says: every number in its tables, every metric, every test.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::Path;

use regex::Regex;

/// A row of the page, by its columns.
struct Row {
    limit: String,
    number: String,
    metrics: Vec<String>,
    file: String,
    constant: String,
    tests: Vec<String>,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn rows() -> Vec<Row> {
    let page = fs::read_to_string(root().join("../docs/limits.md")).unwrap();
    let cells = page.lines().filter(|line| line.starts_with('|')).map(|line| {
        let line = line.trim().trim_start_matches('|').trim_end_matches('|');
        line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>()
    });
    cells
        .filter(|cells| cells.len() >= 7 && cells[5].contains('`'))
        .map(|cells| {
            let [file, constant] = quoted(&cells[5]).try_into().unwrap();
            let (limit, number) = (cells[0].clone(), cells[1].clone());
            Row { limit, number, metrics: quoted(&cells[4]), file, constant, tests: quoted(&cells[6]) }
        })
        .collect()
}

/// Numbers of a text for people, in bytes and seconds where they have a unit.
fn said(text: &str) -> Vec<u64> {
    let number = Regex::new(r"(\d[\d,]*)\s*(KiB|MiB)?").unwrap();
    let factor = |unit| match unit {
        Some("KiB") => 1024,
        Some("MiB") => 1024 * 1024,
        _ => 1,
    };
    number
        .captures_iter(text)
        .map(|found| {
            let count: u64 = found[1].replace(',', "").parse().unwrap();
            count * factor(found.get(2).map(|unit| unit.as_str()))
        })
        .collect()
}

/// Numbers of an expression: products are multiplied.
fn written(expression: &str) -> Vec<u64> {
    let product = Regex::new(r"\d[\d_]*(?:\s*\*\s*\d[\d_]*)*").unwrap();
    let factor = |factor: &str| factor.trim().replace('_', "").parse::<u64>().unwrap();
    product.find_iter(expression).map(|found| found.as_str().split('*').map(factor).product()).collect()
}

#[test]
fn every_number_of_the_page_on_limits_is_that_of_the_code() {
    let rows = rows();
    assert!(rows.len() > 30, "only {} rows were found", rows.len());
    for Row { limit, number, file, constant, .. } in rows {
        let source = fs::read_to_string(root().join("src").join(&file)).unwrap();
        let declared = Regex::new(&format!(r"const {constant}: [^=]+= ([^;]+);")).unwrap();
        let found = declared.captures(&source);
        let expression = &found.unwrap_or_else(|| panic!("{file} has no {constant}: {limit}"))[1];
        // A part of something is one number in the code where it is the part of one.
        let (said, written) = (said(&number), written(expression));
        let part = said.first() == Some(&1) && said.len() == 2 && written.len() == 1;
        assert_eq!(&said[usize::from(part)..], written, "{limit}: {number}, {constant} = {expression}");
    }
}

#[test]
fn every_metric_and_test_of_the_page_on_limits_is_there() {
    let mut all = String::new();
    let mut folders = vec![root().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => all.push_str(&fs::read_to_string(path).unwrap()),
            }
        }
    }
    for Row { limit, metrics, tests, .. } in rows() {
        for metric in metrics {
            assert!(all.contains(&format!("\"{metric}\"")), "{limit}: there is no metric {metric}");
        }
        assert!(!tests.is_empty(), "{limit}: no test is named");
        for test in tests {
            assert!(all.contains(&format!("fn {test}(")), "{limit}: there is no test {test}");
        }
    }
}
