//! Joining routers, and what can be wrong with a route.

use std::fmt;

use super::table::Filter;
use super::{Definition, EntryTarget, Router, unwrap};
use crate::schedule::LONGEST_NAME;

impl<S: Send + Sync + 'static> Router<S> {
    /// Adds the routes of another router, as if they had been registered here. Its own [layers](Self::layer) stay
    /// around its commands; its fallback and its handler of unknown commands are taken if this router has none.
    ///
    /// # Panics
    ///
    /// Both have a command or a job of the same name. [`try_merge`](Self::try_merge) returns the error.
    #[track_caller]
    pub fn merge(self, other: Self) -> Self {
        unwrap(self.try_merge(other))
    }

    /// Like [`merge`](Self::merge), for routers that are known only at run time.
    ///
    /// # Errors
    ///
    /// Both have a command or a job of the same name.
    pub fn try_merge(mut self, mut other: Self) -> Result<Self, RouterError> {
        let definition = self.edit();
        let other = other.edit();
        definition.check_jobs(other)?;
        for name in other
            .commands
            .iter()
            .flat_map(|command| command.names.iter().chain(&command.hidden_names))
        {
            definition.take_name(name)?;
        }
        let layers = std::mem::take(&mut other.layers);
        let first = definition.next_order;
        for mut command in std::mem::take(&mut other.commands) {
            match &mut command.target {
                EntryTarget::Command(entry) => {
                    entry.order += first;
                    layers.iter().for_each(|layer| entry.push_layer(layer.clone()));
                }
                EntryTarget::Group { router, order } => {
                    *order += first;
                    router.edit().layers.extend(layers.iter().cloned());
                }
            }
            definition.commands.push(command);
        }
        definition.take_listeners(other);
        definition.fallback = definition.fallback.take().or(other.fallback.take());
        definition.unknown_command = definition.unknown_command.take().or(other.unknown_command.take());
        Ok(self)
    }
}

impl<S: Send + Sync + 'static> Definition<S> {
    /// The jobs of both have different names.
    pub(super) fn check_jobs(&self, other: &Self) -> Result<(), RouterError> {
        other.jobs().try_for_each(|job| self.check_job(job))
    }

    pub(super) fn check_job(&self, name: &str) -> Result<(), RouterError> {
        if name.is_empty() || name.len() > LONGEST_NAME {
            return Err(RouterError::bad_job(name));
        }
        if self.jobs().any(|known| known == name) {
            return Err(RouterError::job_taken(name));
        }
        Ok(())
    }

    fn jobs(&self) -> impl Iterator<Item = &str> {
        self.listeners.iter().filter_map(|(filter, _)| match filter {
            Filter::Job(job, Some(_)) => Some(&**job),
            _ => None,
        })
    }

    /// Moves another's listeners behind the ones that are here, in their order.
    pub(super) fn take_listeners(&mut self, other: &mut Self) {
        let first = self.next_order;
        for (filter, mut entry) in other.listeners.drain(..) {
            entry.order += first;
            self.listeners.push((filter, entry));
        }
        self.next_order += other.next_order;
    }
}

/// Why a route can not be registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouterError {
    message: String,
}

impl RouterError {
    pub(super) fn taken(name: &str) -> Self {
        Self {
            message: format!(
                "the command name `{name}` is taken (names are compared without regard to case)"
            ),
        }
    }

    pub(super) fn job_taken(name: &str) -> Self {
        Self {
            message: format!("there is another job `{name}`"),
        }
    }

    pub(super) fn bad_job(name: &str) -> Self {
        Self {
            message: format!("`{name}` can not be a job's name: it has to have 1 to {LONGEST_NAME} bytes"),
        }
    }

    pub(super) fn unknown(path: &str) -> Self {
        Self {
            message: format!("there is no command `{path}`"),
        }
    }

    pub(super) fn bad_name(name: &str) -> Self {
        Self {
            message: format!(
                "`{name}` can not be a command's name: it has to be one word without white space"
            ),
        }
    }

    pub(super) fn alias_of_nothing(alias: &str) -> Self {
        Self {
            message: format!("the alias `{alias}` has no command before it"),
        }
    }
}

impl fmt::Display for RouterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for RouterError {}
