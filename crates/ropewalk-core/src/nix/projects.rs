//! Projects: who may change which jobsets.

use super::{LIST_MAX, words};
use crate::access::{self, Caller};
use crate::error::Error;
use crate::farm::Farm;
use crate::port::{InputKind, NewProject, Project, ProjectFields, ProjectUpdate, User};
use ropewalk_model::grant::Mode;
use ropewalk_model::ids::UserId;

/// Members of a project beside its owner.
const MEMBERS_MAX: usize = 100;

/// A project as it is to be.
#[derive(Clone, Debug, Default)]
pub struct ProjectWish {
    /// The name; none: the one that it is asked by.
    pub name: Option<String>,
    /// Somebody's name; only administrators give projects away.
    pub owner: Option<String>,
    /// Names of those who have the owner's rights; none: as before.
    pub members: Option<Vec<String>>,
    /// Replaces all.
    pub fields: ProjectFields,
}

/// What became of a [`ProjectWish`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectSaved {
    /// Its name now.
    pub name: String,
    /// It was not there before.
    pub is_new: bool,
}

impl Farm {
    /// All projects, at most [`LIST_MAX`]: enabled ones first, then by name.
    pub async fn projects(&self, by: &Caller) -> Result<Vec<Project>, Error> {
        access::projects(by, Mode::Ro)?;
        Ok(self.store.projects(LIST_MAX).await?)
    }

    /// A project.
    pub async fn project(&self, by: &Caller, name: &str) -> Result<Project, Error> {
        access::projects(by, Mode::Ro)?;
        self.known_project(name).await?.ok_or_else(|| missing(name))
    }

    /// Projects that are not hidden and whose name or texts hold this, at most `limit`.
    pub async fn find_projects(&self, by: &Caller, text: &str, limit: u32) -> Result<Vec<Project>, Error> {
        access::projects(by, Mode::Ro)?;
        Ok(self.store.find_projects(text, limit).await?)
    }

    /// Makes a project or replaces it.
    pub async fn save_project(
        &self,
        by: &Caller,
        name: &str,
        wish: ProjectWish,
    ) -> Result<ProjectSaved, Error> {
        match self.known_project(name).await? {
            Some(project) => self.update_project(by, project, wish).await,
            None => self.create_project(by, name, wish).await,
        }
    }

    async fn create_project(
        &self,
        by: &Caller,
        asked: &str,
        wish: ProjectWish,
    ) -> Result<ProjectSaved, Error> {
        let creator = access::create_project(by)?;
        let name = wish.name.unwrap_or_else(|| asked.into());
        words::project(&name)?;
        let fields = self.check_project(by, wish.fields)?;
        let owner = self.new_owner(by, wish.owner).await?.unwrap_or(creator.id);
        let members = self.accounts(wish.members).await?.unwrap_or_default();
        self.store.create_project(NewProject { name: name.clone(), owner, members, fields }).await?;
        Ok(ProjectSaved { name, is_new: true })
    }

    async fn update_project(
        &self,
        by: &Caller,
        project: Project,
        wish: ProjectWish,
    ) -> Result<ProjectSaved, Error> {
        access::change_project(by, &project)?;
        let name = wish.name.unwrap_or(project.name);
        words::project(&name)?;
        let fields = self.check_project(by, wish.fields)?;
        let owner = self.new_owner(by, wish.owner).await?;
        let members = self.accounts(wish.members).await?;
        let update = ProjectUpdate { id: project.id, name: name.clone(), owner, members, fields };
        self.store.update_project(update).await?;
        Ok(ProjectSaved { name, is_new: false })
    }

    /// Removes a project and all that belongs to it.
    pub async fn delete_project(&self, by: &Caller, name: &str) -> Result<(), Error> {
        let project = self.project(by, name).await?;
        access::change_project(by, &project)?;
        self.store.delete_project(project.id).await?;
        self.leases.wake();
        Ok(())
    }

    /// Texts that cannot be a name name nothing; a database need not be asked, nor understand them.
    async fn known_project(&self, name: &str) -> Result<Option<Project>, Error> {
        match words::project(name) {
            Ok(()) => Ok(self.store.project(name).await?),
            Err(_) => Ok(None),
        }
    }

    fn check_project(&self, by: &Caller, fields: ProjectFields) -> Result<ProjectFields, Error> {
        let fields = words::project_fields(fields)?;
        if let Some(declarative) = &fields.declarative {
            self.check_local(by, declarative.kind, &declarative.value)?;
        }
        Ok(fields)
    }

    /// Passes inputs that are not read from the runner's own machine, or from where everybody may, or by whom may.
    pub(super) fn check_local(&self, by: &Caller, kind: InputKind, value: &str) -> Result<(), Error> {
        match words::path_of_local(kind, value) {
            Some(path) if !words::is_opened(&path, &self.settings.nix) => access::local_inputs(by),
            _ => Ok(()),
        }
    }

    async fn new_owner(&self, by: &Caller, name: Option<String>) -> Result<Option<UserId>, Error> {
        match name {
            Some(name) if access::administers_projects(by) => {
                Ok(Some(self.account(&name, "owner").await?.id))
            }
            _ => Ok(None),
        }
    }

    async fn accounts(&self, names: Option<Vec<String>>) -> Result<Option<Vec<UserId>>, Error> {
        let Some(names) = names else { return Ok(None) };
        if names.len() > MEMBERS_MAX {
            return Err(Error::malformed(format!("a project has at most {MEMBERS_MAX} members")));
        }
        let mut members = vec![];
        for name in names {
            let user = self.account(&name, "members").await?;
            if !members.contains(&user.id) {
                members.push(user.id);
            }
        }
        Ok(Some(members))
    }

    async fn account(&self, name: &str, field: &'static str) -> Result<User, Error> {
        let user = self.user_named(name).await?;
        let shown: String = name.chars().take(64).collect();
        user.ok_or_else(|| Error::malformed(format!("there is no user named {shown:?}")).about(field))
    }
}

fn missing(name: &str) -> Error {
    let shown: String = name.chars().take(64).collect();
    Error::missing(format_args!("project {shown:?}"))
}
