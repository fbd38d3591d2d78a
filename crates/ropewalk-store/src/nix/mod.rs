//! Projects, their jobsets, and what is found and built for them.

mod builds;
mod evaluations;
mod inputs;
mod jobsets;
mod projects;

use crate::SqlStore;
use async_trait::async_trait;
use ropewalk_core::port::{
    Jobset, JobsetSave, JobsetTrigger, NewProject, Project, ProjectUpdate, Projects, Saved, StoreError,
};

#[async_trait]
impl Projects for SqlStore {
    async fn projects(&self, limit: u32) -> Result<Vec<Project>, StoreError> {
        self.db.read("list projects", limit, projects::list).await
    }

    async fn project(&self, name: &str) -> Result<Option<Project>, StoreError> {
        self.db.read("look up a project", (name.to_owned(),), projects::by_name).await
    }

    async fn create_project(&self, new: NewProject) -> Result<Project, StoreError> {
        self.db.write(projects::CREATE, (self.now(), new), projects::create).await
    }

    async fn update_project(&self, update: ProjectUpdate) -> Result<(), StoreError> {
        self.db.write(projects::UPDATE, (self.now(), update), projects::update).await
    }

    async fn delete_project(&self, id: i64) -> Result<(), StoreError> {
        self.db.write(projects::DELETE, (self.now(), id), projects::delete).await
    }

    async fn jobsets(&self, project: i64) -> Result<Vec<Jobset>, StoreError> {
        self.db.read("list jobsets", project, jobsets::of_project).await
    }

    async fn jobset(&self, project: &str, name: &str) -> Result<Option<Jobset>, StoreError> {
        self.db.read("look up a jobset", (project.to_owned(), name.to_owned()), jobsets::by_name).await
    }

    async fn jobset_numbered(&self, id: i64) -> Result<Option<Jobset>, StoreError> {
        self.db.read("look up a jobset", id, jobsets::by_id).await
    }

    async fn renamed_jobset(&self, project: &str, old: &str) -> Result<Option<String>, StoreError> {
        jobsets::renamed(&self.db, project, old).await
    }

    async fn save_jobset(&self, save: JobsetSave) -> Result<Saved, StoreError> {
        self.db.write(jobsets::SAVE, (self.now(), save), jobsets::save).await
    }

    async fn delete_jobset(&self, id: i64) -> Result<(), StoreError> {
        self.db.write(jobsets::DELETE, (self.now(), id), jobsets::delete).await
    }

    async fn trigger_jobsets(&self, triggers: Vec<JobsetTrigger>) -> Result<(), StoreError> {
        self.db.write(jobsets::TRIGGER, (self.now(), triggers), jobsets::trigger).await
    }

    async fn jobsets_with_input(&self, value: &str, limit: u32) -> Result<Vec<Jobset>, StoreError> {
        self.db.read("look for jobsets", (value.to_owned(), limit), jobsets::with_input).await
    }

    async fn find_projects(&self, text: &str, limit: u32) -> Result<Vec<Project>, StoreError> {
        self.db.read("search projects", (text.to_owned(), limit), projects::find).await
    }

    async fn find_jobsets(&self, text: &str, limit: u32) -> Result<Vec<Jobset>, StoreError> {
        self.db.read("search jobsets", (text.to_owned(), limit), jobsets::find).await
    }
}
