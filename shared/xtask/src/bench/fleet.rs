//! `cargo xtask bench fleet [-- OBJECTS-IN-THE-STORE [OBJECTS-IN-EACH-API-SERVER [API-SERVERS]]]`: the program `bench` of
//! kubectl-fleet's examples measures, in a release build. `cargo xtask bench clusterpedia [-- OBJECTS-IN-EACH-API-SERVER]`:
//! its program `clusterpedia` does, beside the rival, which it builds; Postgres has to be there.

use pequod_testkit::Result;

use crate::conformance::measured;
use crate::suites::Figure;

pub(super) fn run(arguments: &[String]) -> Result<Vec<Figure>> {
    // It starts an agent as a process of its own.
    super::release("kubectl-fleet")?;
    measured("kubectl-fleet", &["--example", "bench"], arguments)
}

pub(super) fn beside_clusterpedia(arguments: &[String]) -> Result<Vec<Figure>> {
    super::release("kubectl-fleet")?;
    measured("kubectl-fleet", &["--example", "clusterpedia"], arguments)
}
