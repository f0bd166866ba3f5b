//! The calls of the REST API, each against the sandbox, and the table of them in the docs.
#![cfg(all(feature = "client", feature = "sandbox"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends by them")]

use std::fmt::Write as _;
use std::path::Path;

use rocketbotte::rest::endpoint;

/// The table in the docs is what the types say. `REWRITE_DOCS=1` writes it anew.
#[test]
fn the_table_in_the_docs() {
    let mut table = String::from(
        "# All calls\n\n\
         What the types say: the first version of the server that has a call and the first that has it no more (empty: all \
         from 3.4 to 9.0), how often servers let an account without `api-bypass-rate-limit` make it, and whether it is made \
         again when a connection is lost.\n\n\
         | type | call | since | until | limit | again |\n|---|---|---|---|---|---|\n",
    );
    let version = |version: Option<_>| {
        version.map_or_else(String::new, |version: rocketbotte::rest::Version| {
            version.to_string()
        })
    };
    let mut rows: Vec<_> = endpoint::all().iter().collect();
    rows.sort_by_key(|row| (row.path, row.name));
    for row in rows {
        let link = row.name.split('<').next().unwrap_or_default().trim();
        writeln!(
            table,
            "| [`{}`]({link}) | `{} {}` | {} | {} | {} | {} |",
            row.name,
            row.method,
            row.path,
            version(row.since),
            version(row.until),
            row.limit,
            if row.is_idempotent { "yes" } else { "no" },
        )
        .expect("a text takes all");
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/docs/endpoints.md");
    if std::env::var_os("REWRITE_DOCS").is_some() {
        std::fs::write(&path, &table).expect("written");
    }
    let written = std::fs::read_to_string(&path).expect("is there");
    assert!(
        written == table,
        "src/docs/endpoints.md is of before: run REWRITE_DOCS=1 cargo test --test endpoints"
    );
}
