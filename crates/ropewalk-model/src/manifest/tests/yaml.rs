//! What YAML itself can do to a manifest.

use super::*;

#[test]
fn duplicate_keys_are_refused_wherever_they_are() {
    assert_eq!(refused("arch: a\narch: b"), "5:1 the key `arch` is written twice, first on line 4");
    assert_eq!(refused("environment: {A: 1, A: 2}"), "4:21 the key `A` is written twice, first on line 4");
    assert_eq!(
        refused("submitter: {x: {a: 1, \"a\": 2}}"),
        "4:23 the key `a` is written twice, first on line 4"
    );
}

#[test]
fn aliases_and_merge_keys_are_written_out() {
    let manifest = with("x: &x {A: 1, B: two}\ny: &y {B: 3, C: 4}\nenvironment: {<<: [*x, *y], A: own}\n");
    let pairs: Vec<_> =
        manifest.environment.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    assert_eq!(
        pairs,
        [
            ("A", EnvValue::Text("own".into())),
            ("B", EnvValue::Text("two".into())),
            ("C", EnvValue::Bare("4".into()))
        ]
    );
    assert_eq!(with("x: &p make\npackages: [*p, *p]").packages, ["make", "make"]);
    assert_eq!(with("environment: {\"<<\": a}").environment[0].0, "<<");
    assert_eq!(refused("environment: {<<: a}"), "4:19 `<<` merges maps, but this is text");
    assert_eq!(refused("x: &x [*x]"), "4:8 this alias stands inside the node that it names");
    assert_eq!(refused("x: *nowhere"), "4:4 this is not YAML: while parsing node, found unknown anchor");
}

#[test]
fn alias_bombs_end_at_the_limit() {
    let mut bomb = String::from("image: a\nshell: true\nb0: &b0 [x,x,x,x,x,x,x,x,x]\n");
    for n in 1..9 {
        let before = format!("*b{},", n - 1).repeat(9);
        bomb.push_str(&format!("b{n}: &b{n} [{before}]\n"));
    }
    assert!(errors(&bomb)[0].ends_with("more than 16384 YAML nodes, aliases written out"));
    let wide = format!("{MINIMAL}a: &a {}\nb: [{}]\n", "x".repeat(4000), "*a,".repeat(100));
    assert!(errors(&wide)[0].ends_with("more than 131072 bytes of values, aliases written out"));
    let merges = format!("{MINIMAL}x: &x {{<<: {{a: 1, b: 2}}}}\ny: [{}]\n", "*x,".repeat(4000));
    assert_eq!(errors(&merges).len(), 1);
}

#[test]
fn nesting_ends_at_the_limit() {
    let deep = |n: usize| errors(&format!("{MINIMAL}x: {}{}\n", "[".repeat(n), "]".repeat(n)));
    assert_eq!(deep(30), [""; 0]);
    assert!(deep(40)[0].ends_with("more than 32 collections within each other"));
    assert!(deep(4000)[0].ends_with("more than 32 collections within each other"));
    let block: String = (0..60).map(|n| format!("{}a:\n", " ".repeat(n))).collect();
    assert!(errors(&format!("{MINIMAL}{block}"))[0].ends_with("more than 32 collections within each other"));
}

#[test]
fn one_document_only() {
    assert_eq!(errors(&format!("---\n{MINIMAL}...\n")), [""; 0]);
    assert_eq!(
        errors(&format!("{MINIMAL}---\nimage: b\n")),
        ["4:1 a manifest is one YAML document, here a second one begins"]
    );
}

#[test]
fn tags_of_the_core_schema_only() {
    assert_eq!(with("packages: [!!str 1, ! 2]").packages, ["1", "2"]);
    assert_eq!(refused("packages: [!!int a]"), "4:18 `a` is no int");
    assert!(refused("packages: [!mine a]").ends_with("the tag `!mine` means nothing in a manifest here"));
    assert!(refused("x: !!binary YQ==").contains("!!binary"));
    assert!(refused("x: !!set {a, b}").contains("!!set"));
}

#[test]
fn what_is_not_yaml_is_told_with_its_place() {
    let tab = check("image: a\ntasks:\n\t- a: b\n");
    assert_eq!(tab.errors[0].place.line, 3);
    assert!(tab.errors[0].hint.contains("no tabs"), "{:?}", tab.errors);
    for text in
        ["image: 'a\n", "image: [a\n", "image: a: b\n", "image: @a\n", "a\nb: c\n", "image: \"\\q\"\n"]
    {
        let report = check(text);
        assert_eq!((report.errors.len(), report.manifest), (1, None), "{text}");
        assert!(report.errors[0].message.starts_with("this is not YAML: "), "{text}");
    }
    assert!(errors("image: \"a\\0b\"\n")[0].ends_with("a NUL character"));
    assert!(!errors("image: a\0b\n").is_empty());
}
