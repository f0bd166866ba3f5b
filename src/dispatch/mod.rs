//! Drives events through the pipeline and carries out what it answers.

pub(crate) mod ids;
mod receipt;
pub(crate) mod resolve;
pub(crate) mod stack_info;
mod text;

pub use self::receipt::Receipt;
