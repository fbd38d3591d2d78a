//! Rows of finished jobs, copied by the database itself. Which columns tables have is asked of the database, so that
//! new ones are copied too.

use crate::engine::Engine;
use anyhow::{Context, Result};
use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};

/// Microseconds between two jobs.
const APART: u64 = 30_000_000;
/// Columns with times.
const TIMES: [&str; 7] = ["created", "updated", "queued", "started", "ended", "leased", "at"];

/// A finished job whose rows are copied.
pub(super) struct Template {
    job: i64,
    work: i64,
    attempt: i64,
}

impl Template {
    pub(super) async fn of(database: &DatabaseConnection, job: i64) -> Result<Template> {
        let work = number(database, &format!("SELECT work AS n FROM jobs WHERE id = {job}")).await?;
        let attempt = number(database, &format!("SELECT id AS n FROM attempts WHERE work = {work}")).await?;
        Ok(Template { job, work, attempt })
    }
}

/// A table, and what its copies have in each column.
struct Table {
    name: String,
    /// By which the rows of a template are found: a column, and those of the two templates.
    key: (&'static str, [i64; 2]),
    columns: Vec<(String, String)>,
}

/// Makes copies number 1 to `count` of two templates: four of five of the first.
pub(super) struct Copies<'a> {
    database: &'a DatabaseConnection,
    engine: Engine,
    tables: Vec<Table>,
    owners: u64,
    /// The last owner that was there before.
    last_owner: i64,
    /// The last job that was there before.
    last_job: i64,
    count: u64,
}

impl Copies<'_> {
    pub(super) async fn new<'a>(
        database: &'a DatabaseConnection,
        engine: Engine,
        templates: [Template; 2],
        count: u64,
        owners: u64,
    ) -> Result<Copies<'a>> {
        let last = async |table: &str| number(database, &format!("SELECT MAX(id) AS n FROM {table}")).await;
        let last_owner = last("users").await?;
        let ids =
            Ids { job: last("jobs").await?, work: last("works").await?, attempt: last("attempts").await? };
        let mut tables = vec![];
        for (name, columns) in tables_of(database, engine).await? {
            tables.extend(table(name, &columns, &templates, &ids, (count, owners, last_owner)));
        }
        // Rows before those that refer to them.
        let rank = |table: &Table| ["works", "attempts", "jobs"].iter().position(|name| *name == table.name);
        tables.sort_by_key(|table| rank(table).unwrap_or(usize::MAX));
        Ok(Copies { database, engine, tables, owners, last_owner, last_job: ids.job, count })
    }

    /// Makes the people whom copies belong to.
    pub(super) async fn make_owners(&self) -> Result<()> {
        let (series, last) = (self.series(1, self.owners), self.last_owner);
        let sql = format!(
            "{series} INSERT INTO users (id, name, email, roles, created, updated) SELECT {last} + s.n, \
             'user' || s.n, 'user' || s.n || '@example.org', '', t.created, t.updated FROM s, users t WHERE t.id = 1"
        );
        self.run(&sql).await
    }

    /// Makes some of the copies, in one transaction.
    pub(super) async fn make(&self, first: u64, last: u64) -> Result<()> {
        self.run("BEGIN").await?;
        for Table { name, key: (key, [often, seldom]), columns } in &self.tables {
            let (names, values): (Vec<&str>, Vec<&str>) =
                columns.iter().map(|(name, value)| (name.as_str(), value.as_str())).unzip();
            let sql = format!(
                "{} INSERT INTO {name} ({}) SELECT {} FROM s JOIN {name} t ON t.{key} = \
                 CASE WHEN s.n % 5 = 0 THEN {seldom} ELSE {often} END",
                self.series(first, last),
                names.join(", "),
                values.join(", ")
            );
            self.run(&sql).await?;
        }
        self.run("COMMIT").await
    }

    /// Numbers of the first copy and the last one.
    pub(super) fn first_and_last(&self) -> [i64; 2] {
        [self.last_job + 1, self.last_job.saturating_add_unsigned(self.count)]
    }

    /// Bytes of the whole database.
    pub(super) async fn bytes(&self) -> Result<i64> {
        let sql = match self.engine {
            Engine::Sqlite => "SELECT page_count * page_size AS n FROM pragma_page_count, pragma_page_size",
            Engine::Postgres => "SELECT pg_database_size(current_database()) AS n",
        };
        number(self.database, sql).await
    }

    /// Counts anew what is counted, and leaves the database as one that was in use.
    pub(super) async fn finish(&self) -> Result<()> {
        self.run("DELETE FROM job_counts").await?;
        self.run(
            "INSERT INTO job_counts (owner, kind, count) SELECT owner, kind, COUNT(*) FROM jobs GROUP BY owner, kind",
        )
        .await?;
        match self.engine {
            Engine::Sqlite => self.run("PRAGMA wal_checkpoint(TRUNCATE)").await,
            Engine::Postgres => {
                for table in ["users", "works", "attempts", "jobs"] {
                    let last = format!("(SELECT MAX(id) FROM {table})");
                    self.run(&format!("SELECT setval(pg_get_serial_sequence('{table}', 'id'), {last})"))
                        .await?;
                }
                // The server's own does the same a little later.
                self.run("VACUUM ANALYZE").await
            }
        }
    }

    /// A table expression `s(n)` of numbers.
    fn series(&self, first: u64, last: u64) -> String {
        match self.engine {
            Engine::Sqlite => {
                format!(
                    "WITH RECURSIVE s(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM s WHERE n < {last})"
                )
            }
            Engine::Postgres => {
                format!("WITH s(n) AS (SELECT generate_series({first}::bigint, {last}::bigint))")
            }
        }
    }

    async fn run(&self, sql: &str) -> Result<()> {
        let done = self.database.execute_unprepared(sql).await;
        done.map(drop).with_context(|| format!("the database refused: {sql}"))
    }
}

/// The last numbers that were there before.
struct Ids {
    job: i64,
    work: i64,
    attempt: i64,
}

/// How a table is copied; not at all if it says nothing about single jobs.
fn table(
    name: String,
    columns: &[String],
    [often, seldom]: &[Template; 2],
    ids: &Ids,
    (count, owners, last_owner): (u64, u64, i64),
) -> Option<Table> {
    let has = |column: &str| columns.iter().any(|name| name == column);
    let key = match name.as_str() {
        "jobs" => ("id", [often.job, seldom.job]),
        "works" => ("id", [often.work, seldom.work]),
        "attempts" => ("id", [often.attempt, seldom.attempt]),
        _ if has("job") => ("job", [often.job, seldom.job]),
        _ if has("attempt") => ("attempt", [often.attempt, seldom.attempt]),
        _ if has("work") => ("work", [often.work, seldom.work]),
        _ => return None,
    };
    let value = |column: &str| {
        Some(match (name.as_str(), column) {
            ("jobs", "id") | (_, "job") => format!("{} + s.n", ids.job),
            ("works", "id") | (_, "work") => format!("{} + s.n", ids.work),
            ("attempts", "id") | (_, "attempt") => format!("{} + s.n", ids.attempt),
            // The database counts by itself.
            (_, "id") => return None,
            (_, "owner") => format!("{last_owner} + 1 + s.n % {owners}"),
            ("jobs", "tags") => {
                "'[\"project/p' || (s.n % 1000) || '\",\"branch/b' || (s.n % 17) || '\"]'".to_string()
            }
            ("jobs", "visibility") => {
                "CASE s.n % 4 WHEN 0 THEN 'private' WHEN 1 THEN 'unlisted' ELSE 'public' END".to_string()
            }
            (_, time) if TIMES.contains(&time) => format!("t.{time} - ({count} - s.n) * {APART}"),
            (_, other) => format!("t.{other}"),
        })
    };
    let columns = columns.iter().filter_map(|column| Some((column.clone(), value(column)?))).collect();
    Some(Table { name, key, columns })
}

/// All tables with their columns.
async fn tables_of(database: &DatabaseConnection, engine: Engine) -> Result<Vec<(String, Vec<String>)>> {
    let sql = match engine {
        Engine::Sqlite => {
            "SELECT m.name AS t, c.name AS c FROM sqlite_master m, pragma_table_info(m.name) c \
             WHERE m.type = 'table' ORDER BY m.name, c.cid"
        }
        Engine::Postgres => {
            "SELECT table_name::text AS t, column_name::text AS c FROM information_schema.columns \
             WHERE table_schema = 'public' ORDER BY table_name, ordinal_position"
        }
    };
    let rows = database.query_all_raw(Statement::from_string(database.get_database_backend(), sql)).await?;
    let mut tables: Vec<(String, Vec<String>)> = vec![];
    for row in rows {
        let (table, column): (String, String) = (row.try_get("", "t")?, row.try_get("", "c")?);
        match tables.last_mut().filter(|(name, _)| *name == table) {
            Some((_, columns)) => columns.push(column),
            None => tables.push((table, vec![column])),
        }
    }
    Ok(tables)
}

/// The column `n` of the only row.
async fn number(database: &DatabaseConnection, sql: &str) -> Result<i64> {
    let row = database.query_one_raw(Statement::from_string(database.get_database_backend(), sql)).await?;
    let row = row.with_context(|| format!("the database found nothing: {sql}"))?;
    Ok(row.try_get("", "n")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tables_about_single_jobs_are_copied_and_their_numbers_are_new() {
        let templates = [1, 2].map(|n| Template { job: n, work: n + 10, attempt: n + 20 });
        let ids = Ids { job: 5, work: 50, attempt: 500 };
        let of = |name: &str, columns: &[&str]| {
            let columns: Vec<String> = columns.iter().map(ToString::to_string).collect();
            table(name.into(), &columns, &templates, &ids, (9, 3, 1))
        };
        assert!(of("users", &["id", "name"]).is_none());
        let steps = of("steps", &["id", "job", "position"]).unwrap();
        let expected =
            [("job", "5 + s.n"), ("position", "t.position")].map(|(a, b)| (a.to_string(), b.to_string()));
        assert_eq!((steps.key, steps.columns), (("job", [1, 2]), expected.to_vec()));
        let attempts = of("attempts", &["id", "work", "leased"]).unwrap();
        assert_eq!(attempts.key, ("id", [21, 22]));
        assert_eq!(attempts.columns[2].1, "t.leased - (9 - s.n) * 30000000");
    }
}
