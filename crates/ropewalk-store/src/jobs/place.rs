//! The works of one submission, made or joined by a number of statements that hardly grows with them.

use super::works::{self, Blank};
use crate::change::{Change, WorkRow};
use crate::db::Tx;
use crate::queue::class_of;
use ropewalk_core::port::{NewWork, StoreError, WorkRef};
use ropewalk_model::ids::{ClassId, ShareGroupId, WorkId};
use ropewalk_model::status::WorkStatus;
use sea_orm::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Works that are looked for and made at once.
const AT_ONCE: usize = 500;

/// A work of a submission, as it is by now.
pub(super) struct Placed {
    pub(super) row: WorkRow,
    /// False: an unfinished work with the same key was there.
    pub(super) new: bool,
    /// It needs a work that ended without success; that work's culprit.
    pub(super) doomed_by: Option<WorkId>,
}

/// Works of a submission in its order, and those of others that it refers to.
pub(super) struct Works {
    pub(super) placed: Vec<Placed>,
    /// Locked.
    pub(super) others: BTreeMap<WorkId, WorkRow>,
    /// Those of others whose jobs were told of a change, new ones among them.
    pub(super) moved: BTreeSet<WorkId>,
    /// How many more need works of others.
    more: BTreeMap<WorkId, i64>,
}

impl Works {
    pub(super) async fn place(
        change: &mut Change<'_>,
        new: &[NewWork],
        roots: &[WorkRef],
    ) -> Result<Works, StoreError> {
        let blanks = blanks(change.tx, new).await?;
        let mut placed = Vec::with_capacity(blanks.len());
        while let Some(rest) = blanks.get(placed.len()..).filter(|rest| !rest.is_empty()) {
            let some = rest.get(..together(rest)).unwrap_or(rest);
            placed.extend(place_some(change, some).await?);
        }
        let referred = new.iter().flat_map(|work| &work.needs).chain(roots);
        let known: BTreeSet<WorkId> = referred
            .filter_map(|work| match work {
                WorkRef::Known(id) => Some(*id),
                WorkRef::New(_) => None,
            })
            .collect();
        let known: Vec<WorkId> = known.into_iter().collect();
        let mut others = WorkRow::lock_all(change.tx, &known).await?;
        if let Some(missing) = known.iter().find(|id| !others.contains_key(id)) {
            return Err(StoreError::Missing(format!("work {missing}")));
        }
        let joined = placed.iter().filter(|work: &&Placed| !work.new);
        others.extend(joined.map(|work| (work.row.id, work.row.clone())));
        let mut works = Works { placed, others, moved: BTreeSet::new(), more: BTreeMap::new() };
        works.tie(change.tx, new).await?;
        Ok(works)
    }

    /// The work that is referred to.
    pub(super) fn resolve(&self, work: WorkRef) -> Result<&WorkRow, StoreError> {
        match work {
            WorkRef::Known(id) => {
                self.others.get(&id).ok_or_else(|| StoreError::Missing(format!("work {id}")))
            }
            WorkRef::New(position) => {
                self.placed.get(position).map(|work| &work.row).ok_or_else(|| too_late(position))
            }
        }
    }

    /// One more needs this work.
    pub(super) fn want(&mut self, work: WorkRef) -> Result<(), StoreError> {
        let row = self.resolve(work)?;
        let (id, is_final) = (row.id, row.status.is_final());
        let made = match work {
            WorkRef::New(position) => self.placed.get_mut(position).filter(|work| work.new),
            WorkRef::Known(_) => None,
        };
        match made {
            _ if is_final => {}
            Some(made) => made.row.wanted += 1,
            None => *self.more.entry(id).or_default() += 1,
        }
        Ok(())
    }

    /// Lets what these need run, and writes all that is known of works that were made. Those of others that have to be
    /// released yet are released as ever.
    pub(super) async fn release(
        &mut self,
        change: &mut Change<'_>,
        new: &[NewWork],
        roots: impl Iterator<Item = WorkRef>,
    ) -> Result<(), StoreError> {
        let mut due = roots.collect::<Vec<_>>();
        let mut others = BTreeSet::new();
        while let Some(work) = due.pop() {
            let made = match work {
                WorkRef::New(position) => {
                    self.placed.get_mut(position).filter(|work| work.new).zip(new.get(position))
                }
                WorkRef::Known(_) => None,
            };
            match made {
                Some((made, new)) => {
                    if change.release_made(&mut made.row)? {
                        due.extend(&new.needs);
                    }
                }
                None => {
                    let row = self.resolve(work)?;
                    if !row.released && !row.status.is_final() {
                        others.insert(row.id);
                    }
                }
            }
        }
        change.write_made(self.placed.iter().filter(|work| work.new).map(|work| &work.row)).await?;
        change.want_more(&self.more, &self.others).await?;
        for id in &others {
            change.release(*id).await?;
        }
        let was_cancelled = |id: &&WorkId| self.others.get(id).is_some_and(|row| row.cancel.is_some());
        self.moved = self.more.keys().filter(was_cancelled).copied().chain(others).collect();
        // They may have moved on.
        if !self.others.is_empty() {
            let ids: Vec<WorkId> = self.others.keys().copied().collect();
            self.others = WorkRow::lock_all(change.tx, &ids).await?;
            for work in self.placed.iter_mut().filter(|work| !work.new) {
                if let Some(row) = self.others.get(&work.row.id) {
                    work.row = row.clone();
                }
            }
        }
        Ok(())
    }

    /// Ties works that were made to what they need.
    async fn tie(&mut self, tx: &Tx, new: &[NewWork]) -> Result<(), StoreError> {
        let mut edges = vec![];
        for (position, new) in new.iter().enumerate() {
            if let Some(late) =
                new.needs.iter().find(|need| matches!(need, WorkRef::New(at) if *at >= position))
            {
                let WorkRef::New(late) = late else { continue };
                return Err(too_late(*late));
            }
            let Some(made) = self.placed.get(position).filter(|work| work.new && !work.row.status.is_final())
            else {
                continue;
            };
            let work = made.row.id;
            let mut needs = BTreeMap::new();
            for need in &new.needs {
                needs.entry(self.resolve(*need)?.id).or_insert(*need);
            }
            let (mut unmet, mut doomed_by) = (0, None);
            for (id, need) in needs {
                edges.push(vec![Value::from(work.0), Value::from(id.0)]);
                let needed = self.resolve(need)?;
                if needed.status != WorkStatus::Succeeded {
                    unmet += 1;
                }
                if needed.status.is_final() && needed.status != WorkStatus::Succeeded {
                    doomed_by = doomed_by.or(Some(needed.culprit.unwrap_or(id)));
                }
                self.want(need)?;
            }
            if let Some(made) = self.placed.get_mut(position) {
                made.row.unmet = unmet;
                made.doomed_by = doomed_by;
            }
        }
        tx.insert_all("INSERT INTO work_edges (work, needs)", edges, "").await.map(drop)
    }
}

fn too_late(position: usize) -> StoreError {
    StoreError::Refused(format!(
        "a submission refers to its work {position}, which does not come before: give works in the order in which they \
         need each other"
    ))
}

/// How many of these can be looked for and made together: no key twice.
fn together(blanks: &[Blank]) -> usize {
    let mut keys = HashSet::new();
    let some = blanks.iter().take(AT_ONCE);
    some.take_while(|blank| blank.key.as_ref().is_none_or(|key| keys.insert(key))).count()
}

/// Prepares what new works refer to.
async fn blanks(tx: &Tx, new: &[NewWork]) -> Result<Vec<Blank>, StoreError> {
    let plans: BTreeMap<&str, &str> =
        new.iter().map(|work| (work.plan.hash.as_str(), work.plan.json.as_str())).collect();
    let plans = plans.into_iter().map(|(hash, json)| vec![hash.into(), json.into()]).collect();
    tx.insert_all("INSERT INTO plans (hash, json)", plans, "ON CONFLICT (hash) DO NOTHING").await?;
    let (mut classes, mut groups) = (HashMap::<String, ClassId>::new(), HashMap::<&str, ShareGroupId>::new());
    let mut blanks = Vec::with_capacity(new.len());
    for work in new {
        let text = work.requirement.class();
        let class = match classes.get(&text) {
            Some(class) => *class,
            None => {
                let class = class_of(tx, &work.requirement).await?;
                classes.insert(text, class);
                class
            }
        };
        let (name, shares) = &work.share_group;
        let group = match groups.get(name.as_str()) {
            Some(group) => *group,
            None => {
                let group = works::share_group(tx, name, *shares).await?;
                groups.insert(name, group);
                group
            }
        };
        blanks.push(Blank::new(work, class, group));
    }
    Ok(blanks)
}

async fn place_some(change: &mut Change<'_>, blanks: &[Blank]) -> Result<Vec<Placed>, StoreError> {
    let mut by_key = HashMap::<String, Placed>::new();
    loop {
        let is_open = |blank: &&Blank| blank.key.as_ref().is_some_and(|key| !by_key.contains_key(key));
        let open: Vec<&Blank> = blanks.iter().filter(is_open).collect();
        if open.is_empty() {
            break;
        }
        let keys: Vec<&str> = open.iter().filter_map(|blank| blank.key.as_deref()).collect();
        let found = WorkRow::lock_by_keys(change.tx, &keys).await?;
        raise_priorities(change.tx, &open, &found).await?;
        let is_missing = |blank: &&&Blank| blank.key.as_ref().is_some_and(|key| !found.contains_key(key));
        let missing: Vec<&Blank> = open.iter().filter(is_missing).copied().collect();
        // Somebody else may have made one with the same key since; then no row comes back, and it is looked for again.
        let made = works::insert(change, &missing).await?;
        by_key.extend(found.into_iter().map(|(key, row)| (key, Placed { row, new: false, doomed_by: None })));
        for blank in missing {
            let Some(key) = &blank.key else { continue };
            if let Some(id) = made.get(&Some(key.clone())) {
                by_key.insert(key.clone(), Placed { row: blank.row(*id), new: true, doomed_by: None });
            }
        }
    }
    let mut placed = Vec::with_capacity(blanks.len());
    for blank in blanks {
        let of_key = blank.key.as_ref().and_then(|key| by_key.remove(key));
        placed.push(match of_key {
            Some(placed) => placed,
            None => {
                let made = works::insert(change, &[blank]).await?;
                let id = made.into_values().next();
                let id = id.ok_or_else(|| StoreError::Corrupt("a work that got no number".into()))?;
                Placed { row: blank.row(id), new: true, doomed_by: None }
            }
        });
    }
    Ok(placed)
}

async fn raise_priorities(
    tx: &Tx,
    blanks: &[&Blank],
    found: &HashMap<String, WorkRow>,
) -> Result<(), StoreError> {
    let mut alike = BTreeMap::<i64, Vec<i64>>::new();
    for blank in blanks {
        if let Some(row) = blank.key.as_ref().and_then(|key| found.get(key)) {
            alike.entry(blank.priority).or_default().push(row.id.0);
        }
    }
    for (priority, ids) in alike {
        let sql = "UPDATE works SET priority = $1 WHERE priority < $1 AND id";
        tx.for_all(sql, &[priority.into()], &ids, "").await?;
    }
    Ok(())
}
