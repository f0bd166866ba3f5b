//! The names of newtypes by which the crate's own argument types say what they are.
//!
//! serde hands such a name to the deserialiser; every other format than ours takes no notice of it, so that the same
//! types can stand in a configuration or in stored data.

/// All the text that is left, as it was typed.
pub(super) const REST: &str = "rocketbotte::args::Rest";
/// What is left of the line, as it was typed.
pub(super) const LINE: &str = "rocketbotte::args::Line";
/// A block of code with its fences.
pub(super) const CODE: &str = "rocketbotte::args::CodeBlock";
pub(super) const USER: &str = "rocketbotte::args::UserArg";
pub(super) const ROOM: &str = "rocketbotte::args::RoomArg";
/// A newtype named by what it is follows, and one named by an example.
pub(super) const OWN: &str = "rocketbotte::args::Arg";
/// What is never shown.
pub(crate) const SECRET: &str = "rocketbotte::Secret";

/// What the two newtypes around an own type say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Own {
    pub(super) name: &'static str,
    pub(super) example: &'static str,
}

/// How far the newtypes around an own type have been read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Naming {
    #[default]
    Nothing,
    Begun,
    Named(&'static str),
    Done(Own),
}

impl Naming {
    /// What another newtype of this name says.
    pub(super) fn next(self, name: &'static str) -> Self {
        match self {
            Self::Nothing if name == OWN => Self::Begun,
            Self::Nothing => Self::Nothing,
            Self::Begun => Self::Named(name),
            Self::Named(named) => Self::Done(Own {
                name: named,
                example: name,
            }),
            Self::Done(own) => Self::Done(own),
        }
    }
}
