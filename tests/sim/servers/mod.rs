//! Scripted MCP servers: children of the hub that answer what they are asked, ask back, and
//! misbehave as the faults of the run say.

pub(crate) mod alone;
pub(crate) mod answers;
pub(crate) mod asking;
pub(crate) mod definition;
pub(crate) mod hearing;
pub(crate) mod modern;
pub(crate) mod process;
pub(crate) mod work;
