//! The generator against the committed schemas, and against schemas it must refuse.

use std::collections::BTreeMap;
use std::path::Path;

use super::*;

const GOOD: &str = r#"<?xml version="1.0"?>
<sbe:messageSchema xmlns:sbe="http://fixprotocol.io/2016/sbe" package="a.b" id="7" version="1"
                   byteOrder="littleEndian" description="A schema.">
  <types>
    <composite name="messageHeader">
      <type name="blockLength" primitiveType="uint16"/>
      <type name="templateId" primitiveType="uint16"/>
      <type name="schemaId" primitiveType="uint16"/>
      <type name="version" primitiveType="uint16"/>
    </composite>
    <composite name="groupSize">
      <type name="blockLength" primitiveType="uint16"/>
      <type name="numInGroup" primitiveType="uint16"/>
    </composite>
    <composite name="text">
      <type name="length" primitiveType="uint32" maxValue="9"/>
      <type name="varData" primitiveType="uint8" length="0"/>
    </composite>
    <enum name="Kind" encodingType="uint8" description="A kind.">
      <validValue name="SOME_THING" description="Some thing.">1</validValue>
    </enum>
  </types>
  <sbe:message name="One" id="1" description="A message.">
    <field name="a" id="1" type="uint32" description="A."/>
    <field name="kind" id="2" type="Kind" description="Kind."/>
    <group name="items" id="3" dimensionType="groupSize" description="Items.">
      <field name="b" id="1" type="int64" presence="optional" description="B."/>
    </group>
    <data name="label" id="4" type="text" description="Label."/>
  </sbe:message>
</sbe:messageSchema>
"#;

fn refusal(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "`{from}` is not in the schema");
    let text = GOOD.replacen(from, to, 1);
    match parse::parse("some", "schemas/some.xml", &text) {
        Ok(_) => panic!("accepted `{to}`"),
        Err(error) => format!("{error:#}"),
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace")
}

#[test]
fn an_attribute_it_does_not_understand_is_refused_with_file_and_line() {
    assert_eq!(
        refusal(r#"name="a" id="1""#, r#"name="a" sinceVersion="2" id="1""#),
        "schemas/some.xml:24: attribute `sinceVersion` of <field> is not understood"
    );
    assert_eq!(
        refusal(
            r#"<field name="b" id="1" type="int64" presence="optional""#,
            "<field name=\"b\" id=\"1\" type=\"int64\"\n presence=\"optional\" length=\"3\""
        ),
        "schemas/some.xml:28: attribute `length` of <field> is not understood"
    );
    assert_eq!(
        refusal(
            r#"name="One" id="1""#,
            r#"name="One" id="1" deprecated="2""#
        ),
        "schemas/some.xml:23: attribute `deprecated` of <message> is not understood"
    );
}

#[test]
fn elements_and_text_it_does_not_understand_are_refused_with_file_and_line() {
    assert_eq!(
        refusal("  </types>", "    <set name=\"s\"/>\n  </types>"),
        "schemas/some.xml:22: <set> in <types> is not understood"
    );
    assert_eq!(
        refusal("  </types>", "    <ref name=\"s\"/>\n  </types>"),
        "schemas/some.xml:22: <ref> in <types> is not understood"
    );
    assert_eq!(
        refusal(
            r#"description="A message.">"#,
            r#"description="A message.">words"#
        ),
        "schemas/some.xml:23: text is not understood here"
    );
    assert!(refusal(r#"byteOrder="littleEndian""#, r#"byteOrder="bigEndian""#).contains(":2:"));
}

#[test]
fn schemas_that_make_no_sense_are_refused() {
    for (from, to, message) in [
        (
            r#"id="2" type="Kind""#,
            r#"id="1" type="Kind""#,
            "the id 1 is used twice",
        ),
        (
            r#"name="kind""#,
            r#"name="a""#,
            "the name `a` is used twice",
        ),
        (
            r#"type="Kind""#,
            r#"type="Sort""#,
            "type `Sort` is not declared",
        ),
        (r#"type="Kind""#, r#"type="Kind" offset="3""#, "overlaps"),
        (
            r#"type="Kind""#,
            r#"type="Kind" presence="optional" nullValue="1""#,
            "null value",
        ),
        (
            r#"type="Kind""#,
            r#"type="text""#,
            "must be the only member",
        ),
        (
            r#"type="Kind""#,
            r#"type="groupSize""#,
            "not understood on a field",
        ),
        (
            r#"name="One" id="1""#,
            r#"name="One" id="1" blockLength="4""#,
            "less than its fields",
        ),
        (
            r#"name="One" id="1""#,
            r#"name="One" id="70000""#,
            "not a valid number",
        ),
        (
            r#"name="One" id="1""#,
            r#"name="One" id="1" semanticType="SharedMemory""#,
            "fixed size",
        ),
        (
            r#"type="int64" presence="optional""#,
            r#"type="int64" nullValue="1""#,
            "null value",
        ),
        (
            r#"dimensionType="groupSize""#,
            r#"dimensionType="text""#,
            "dimension type",
        ),
        (
            r#"description="A kind.""#,
            "",
            "needs the attribute `description`",
        ),
        (">1</validValue>", ">255</validValue>", "no valid value"),
        (">1</validValue>", ">x</validValue>", "not a valid number"),
        (
            r#"name="templateId" primitiveType="uint16""#,
            r#"name="templateId" primitiveType="uint8""#,
            "composite",
        ),
        (
            r#"name="numInGroup" primitiveType="uint16""#,
            r#"name="numInGroup" primitiveType="uint8""#,
            "composite",
        ),
        (
            r#"type="uint32" description="A.""#,
            r#"type="float" description="A.""#,
            "not declared",
        ),
    ] {
        let error = refusal(from, to);
        assert!(error.contains(message), "`{to}`: {error}");
        assert!(
            error.starts_with("schemas/some.xml:"),
            "no file and line: {error}"
        );
    }
}

#[test]
fn members_out_of_order_are_refused() {
    let data = r#"<data name="label" id="4" type="text" description="Label."/>"#;
    let late = format!("{data}<field name=\"z\" id=\"9\" type=\"uint8\" description=\"Z.\"/>");
    assert!(refusal(data, &late).contains("come before data"));
    let late = format!("<field name=\"z\" id=\"9\" type=\"uint8\" description=\"Z.\"/>{data}");
    assert!(refusal(data, &late).contains("come before groups"));
}

#[test]
fn the_same_schema_gives_the_same_code() {
    let generate_once = || {
        let schemas = BTreeMap::from([("schemas/some.xml".to_owned(), GOOD.to_owned())]);
        generate(root(), &schemas).expect("a good schema")
    };
    let first = generate_once();
    assert_eq!(first, generate_once());
    let code = &first["codecs/src/gen/some.rs"];
    assert!(code.starts_with("// Generated from schemas/some.xml by `cargo xtask codegen`."));
    assert!(code.contains("pub struct OneView<'a>"));
    let again = rustfmt(root(), code).expect("valid code");
    assert_eq!(&again, code, "rustfmt would change it");
}

#[test]
fn check_names_files_that_differ_are_missing_or_superfluous() {
    let file = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let expected = BTreeMap::from([file("a.rs", "1"), file("b.rs", "2"), file("c.rs", "3")]);
    let found = BTreeMap::from([file("a.rs", "1"), file("b.rs", "x"), file("d.rs", "4")]);
    let names: Vec<_> = changes(&expected, &found).into_iter().collect();
    assert_eq!(names, ["b.rs", "c.rs", "d.rs"]);
    assert!(changes(&expected, &expected).is_empty());
}

#[test]
fn two_schemas_of_one_id_are_refused() {
    let schemas = ["schemas/one.xml", "schemas/two.xml"]
        .map(|path| (path.to_owned(), GOOD.to_owned()))
        .into();
    let error = generate(root(), &schemas).expect_err("the same id twice");
    assert_eq!(
        error.to_string(),
        "schemas/two.xml: the schema id 7 is taken by schemas/one.xml"
    );
}

#[test]
fn the_committed_code_is_what_the_schemas_say() {
    run(true).expect("run `cargo xtask codegen`");
}

/// A schema: its file, its id, and the template and block length of each message.
type Published = (&'static str, u16, &'static [(u16, u16)]);

/// Block lengths of the published schemas.
#[test]
fn blocks_are_as_long_as_published() {
    let published: &[Published] = &[
        (
            "wire",
            900,
            &[
                (1, 35),
                (2, 39),
                (3, 18),
                (4, 40),
                (5, 41),
                (6, 28),
                (7, 20),
                (8, 16),
                (9, 12),
                (10, 28),
                (11, 29),
                (12, 16),
                (13, 16),
                (50, 64),
                (51, 60),
                (52, 184),
            ],
        ),
        (
            "driver",
            901,
            &[
                (1, 27),
                (2, 54),
                (3, 25),
                (4, 12),
                (5, 25),
                (6, 9),
                (7, 26),
                (8, 9),
            ],
        ),
        ("bridge", 902, &[(1, 53)]),
        ("merge", 903, &[(1, 20), (2, 12), (3, 29), (4, 12)]),
        ("tracelink", 904, &[(1, 28)]),
        ("discovery", 910, &[(1, 32), (2, 9)]),
        ("event", 950, &[(1, 40)]),
    ];
    for (module, id, blocks) in published {
        let path = root().join(format!("schemas/{module}.xml"));
        let text = fs::read_to_string(path).expect("a committed schema");
        let schema = parse::parse(module, module, &text).expect("understood");
        assert_eq!(schema.id, *id);
        let mut found: Vec<_> = schema
            .messages
            .iter()
            .map(|m| (m.id, m.members.block_len))
            .collect();
        found.sort_unstable();
        assert_eq!(found, *blocks, "{module}");
    }
}
