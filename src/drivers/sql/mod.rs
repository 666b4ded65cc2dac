//! What the directories in a database of ours do alike, whatever the database: the rows of objects, the audit trail with its
//! hashes, the record of a change. Nothing here talks to a database.

pub(crate) mod audit;
pub(crate) mod change;
pub(crate) mod object;
pub(crate) mod past;
