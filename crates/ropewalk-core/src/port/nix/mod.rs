//! Projects, their jobsets, and what is found and built for them.

mod projects;

pub use projects::{
    Declarative, Enabled, InputKind, Jobset, JobsetFields, JobsetInput, JobsetProgress, JobsetSave,
    JobsetTrigger, NewProject, Project, ProjectFields, ProjectUpdate, Projects, Saved,
};
