//! kubectl and helm, called as a person would.

use std::process::Command;

use super::ControlPlane;
use crate::{Output, output};

impl ControlPlane {
    /// Runs kubectl as administrator, with the given arguments.
    #[track_caller]
    pub fn kubectl<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Output {
        self.kubectl_as("admin", arguments, "")
    }

    /// Runs kubectl as one of [`crate::USERS`] (or `admin`), with a text as its standard input.
    #[track_caller]
    pub fn kubectl_as<'a>(
        &self,
        user: &str,
        arguments: impl IntoIterator<Item = &'a str>,
        stdin: &str,
    ) -> Output {
        let mut command = self.command(&self.tools.path("kubectl"), user);
        command.args(arguments);
        output::run(&mut command, stdin).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Runs helm as administrator, with the given arguments.
    #[track_caller]
    pub fn helm<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Output {
        let mut command = self.command(&self.tools.path("helm"), "admin");
        command.args(arguments);
        output::run(&mut command, "").unwrap_or_else(|error| panic!("{error}"))
    }

    /// A command that speaks to this control plane as the given user, with no trace of the caller's own settings.
    pub fn command(&self, program: &std::path::Path, user: &str) -> Command {
        let mut command = Command::new(program);
        command.env("KUBECONFIG", self.kubeconfig_of(user));
        // kubectl and helm keep caches and settings under the home folder.
        command.env("HOME", self.folder.join("home"));
        command
    }
}
