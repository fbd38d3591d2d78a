//! `ropewalk image`: the images of this data folder. They need no server: a running one finds them at once.

use crate::client::print::{Form, table, text};
use crate::exit::{Exit, Failure};
use ropewalk_runner::image::{Catalog, Entry, ImageName, Named, Origins, Progress, Source, Suite};
use ropewalk_runner::sandbox::range;
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// The image that every machine has: its own system.
const HOST: &str = "host";
/// Characters of a digest that tell images apart for people.
const SHORT_DIGEST: usize = "sha256:".len() + 12;

/// Images that builds can use
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// List images
    List {
        /// The names that are fetched when a build asks for them
        #[arg(long)]
        known: bool,
        #[command(flatten)]
        form: Form,
    },
    /// Fetch an image by its name, or from a registry under a name
    Pull {
        /// A name of `image list --known`, or docker://HOST/NAME:TAG
        source: String,
        /// What manifests call it
        name: Option<String>,
        #[command(flatten)]
        form: Form,
    },
    /// Make an image from the packages of this machine's own Debian or Ubuntu mirror
    Bootstrap {
        /// Suite, such as bookworm
        suite: Suite,
        /// What manifests call it [default: debian/SUITE or ubuntu/SUITE]
        name: Option<String>,
        /// Packages beside the essential ones, divided by commas [default: those of builds.sr.ht's images]
        #[arg(long, value_delimiter = ',')]
        packages: Option<Vec<String>>,
        #[command(flatten)]
        form: Form,
    },
    /// Take in an OCI layout or archive, or the tar of a root file system
    Import {
        /// Where it lies
        source: PathBuf,
        /// What manifests call it
        name: String,
        #[command(flatten)]
        form: Form,
    },
    /// Remove an image
    Remove {
        /// Its name
        name: String,
    },
}

pub(crate) fn run(arguments: &Arguments, origins: &Origins, data: &Path) -> anyhow::Result<Exit> {
    let catalog = Catalog::new(data, range::find()?).with_limits(origins.limits);
    match &arguments.command {
        Command::List { known: true, form } => list_known(origins, *form)?,
        Command::List { known: false, form } => list(&catalog, *form)?,
        Command::Pull { source, name, form } => {
            let Named { name, source } = meant(origins, source, name.as_deref())?;
            let entry = catalog.fetch(name.as_str(), &source, origins, &mut Progress::new(&mut tell))?;
            print(entry, *form)?;
        }
        Command::Bootstrap { suite, name, packages, form } => {
            let name = name.clone().unwrap_or_else(|| format!("{}/{}", family(), suite.as_str()));
            let packages = packages.as_deref().map(|all| all.iter().filter(|name| !name.is_empty()).cloned());
            let packages: Option<Vec<String>> = packages.map(Iterator::collect);
            let packages = packages.as_deref();
            print(catalog.bootstrap(&name, suite, packages, &mut Progress::new(&mut tell))?, *form)?;
        }
        Command::Import { source, name, form } => print(catalog.import(source, name)?, *form)?,
        Command::Remove { name } => catalog.remove(name)?,
    }
    Ok(Exit::Success)
}

/// What is to be fetched, and what it is to be called.
fn meant(origins: &Origins, source: &str, name: Option<&str>) -> anyhow::Result<Named> {
    if source.contains(':') && source.contains("//") {
        let Some(name) = name else {
            return Err(Failure::usage(format_args!(
                "say what manifests call it: ropewalk image pull {source} NAME"
            )));
        };
        return Ok(Named { name: ImageName::parse(name)?, source: source.parse::<Source>()? });
    }
    let known = ImageName::parse(source)?;
    let Some(found) = origins.source(&known) else {
        return Err(Failure::usage(format_args!(
            "nobody said where the image {source} comes from: `ropewalk image list --known` lists the names, \
             images.names adds more, and docker://HOST/NAME:TAG names a registry"
        )));
    };
    let name = name.map_or(Ok(known), ImageName::parse)?;
    Ok(Named { name, source: found })
}

/// The family that this machine makes.
fn family() -> String {
    let text = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let id = text.lines().find_map(|line| line.strip_prefix("ID="));
    id.map_or("debian", |id| id.trim_matches('"')).to_owned()
}

/// Progress goes where it does not mix with the answer.
fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn print(entry: Entry, form: Form) -> anyhow::Result<()> {
    let line = format!("{} is there: {}", entry.name, entry.digest);
    form.print(&serde_json::to_value(entry)?, |_| vec![line])
}

fn list(catalog: &Catalog, form: Form) -> anyhow::Result<()> {
    let mut images: Vec<Value> = vec![json!({ "name": HOST, "source": "this machine's own system" })];
    for entry in catalog.list()? {
        images.push(serde_json::to_value(entry)?);
    }
    form.print(&json!(images), |_| {
        let rows: Vec<Vec<String>> = images.iter().map(row).collect();
        table(&["name", "size", "age", "digest", "source"], &rows)
    })
}

fn row(image: &Value) -> Vec<String> {
    let number = |field: &str| image.get(field).and_then(Value::as_u64);
    let size = number("bytes").map(|bytes| format!("{} MiB", bytes.div_ceil(1 << 20))).unwrap_or_default();
    let age = number("imported").map(age).unwrap_or_default();
    let digest: String = text(image, "digest").chars().take(SHORT_DIGEST).collect();
    vec![text(image, "name"), size, age, digest, text(image, "source")]
}

/// How long ago a moment, in seconds since 1970, was.
fn age(moment: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    match now.saturating_sub(moment) {
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ ..7_200 => format!("{} min", seconds / 60),
        seconds @ ..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

fn list_known(origins: &Origins, form: Form) -> anyhow::Result<()> {
    let known = origins.known();
    let images: Vec<Value> = known
        .iter()
        .map(|named| json!({ "name": named.name.as_str(), "source": named.source.to_string() }))
        .collect();
    form.print(&json!(images), |_| {
        let rows: Vec<Vec<String>> =
            images.iter().map(|image| vec![text(image, "name"), text(image, "source")]).collect();
        table(&["name", "source"], &rows)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_short() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        for (ago, text) in [(5, "5 s"), (600, "10 min"), (36_000, "10 h"), (864_000, "10 days")] {
            assert_eq!(age(now - ago), text);
        }
        assert_eq!(age(now + 100), "0 s");
    }

    #[test]
    fn a_pull_names_a_known_image_or_a_registry() {
        let origins = Origins::default();
        let meant = |source: &str, name| {
            meant(&origins, source, name).map(|n| (n.name.to_string(), n.source.to_string()))
        };
        let edge = ("alpine/edge".to_owned(), "docker://docker.io/library/alpine:edge".to_owned());
        assert_eq!(meant("alpine/edge", None).unwrap(), edge);
        assert_eq!(meant("alpine/edge", Some("mine")).unwrap(), ("mine".to_owned(), edge.1));
        let own = ("mine".to_owned(), "docker://r.example/a:b".to_owned());
        assert_eq!(meant("docker://r.example/a:b", Some("mine")).unwrap(), own);
        assert!(meant("docker://r.example/a:b", None).is_err());
        assert!(meant("no/such", None).unwrap_err().to_string().contains("--known"));
    }
}
