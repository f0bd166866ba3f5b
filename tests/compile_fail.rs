//! What the compiler says about a wrong handler: the message has to name the cause.
//!
//! The words are the compiler's, and change with it: they are compared only where `ROCKETBOTTE_COMPILE_FAIL` is set,
//! as CI does with its pinned toolchain. `TRYBUILD=overwrite` writes them anew.

#[test]
fn wrong_handlers_are_told_why() {
    if std::env::var_os("ROCKETBOTTE_COMPILE_FAIL").is_none() {
        eprintln!("skipped: set ROCKETBOTTE_COMPILE_FAIL to compare the compiler's messages");
        return;
    }
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
