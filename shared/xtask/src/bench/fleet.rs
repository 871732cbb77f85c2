//! `cargo xtask bench fleet [-- OBJECTS-IN-THE-STORE [OBJECTS-IN-EACH-API-SERVER [API-SERVERS]]]`: the program `bench` of
//! kubectl-fleet's examples measures, in a release build.

use pequod_testkit::Result;

use crate::conformance::measured;
use crate::suites::Figure;

pub(super) fn run(arguments: &[String]) -> Result<Vec<Figure>> {
    // It starts an agent as a process of its own.
    super::release("kubectl-fleet")?;
    measured("kubectl-fleet", &["--example", "bench"], arguments)
}
