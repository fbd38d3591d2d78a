//! Logs for people: parts of them as lines, lines that stand out, and search.

pub(crate) mod name;
pub(crate) mod notable;
pub(crate) mod search;
pub(crate) mod window;

#[cfg(test)]
mod tests;
