//! What the town sends and what the presets show is valid by the schemas of the message distributor.
//!
//! The schemas are other people's work and no part of the project. Who has them names their folder in
//! `SAMSPOR_OIO_SCHEMAS`: `Beskedkuvert.xsd`, `SagDokObjekt.xsd`, and the three payloads' with what they include, all beside
//! each other. The test is ignored unless it is asked for; CONTRIBUTING.md says how. What the gateway itself sends is held
//! against `config/schemas/envelope.xsd` each time, in `sending.rs`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use samspor_town::{Settings as Size, Town, source};

/// Where the schemas are.
const SCHEMAS: &str = "SAMSPOR_OIO_SCHEMAS";

/// The namespaces of payloads, and the schema of each.
const PAYLOADS: [(&str, &str); 3] = [
    ("urn:oio:sts:sagdok:sag:6", "SagBesked.xsd"),
    ("urn:oio:sts:ydelse:bevillingindeks:6", "BevillingIndeksBesked.xsd"),
    ("urn:oio:sts:ydelse:oekonomiskeffektueringindeks:6", "OekonomiskEffektueringIndeksBesked.xsd"),
];

/// What the schemas import and what no message of ours uses, as little of it as lets them be read.
const SIGNATURE: &str = r#"<schema xmlns="http://www.w3.org/2001/XMLSchema" targetNamespace="http://www.w3.org/2000/09/xmldsig#"><element name="Signature"/></schema>"#;
const ORGANISATION: &str = r#"<schema xmlns="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:oio:sagdok:organisation:2.0.0"><complexType name="AktoerType"><sequence><any processContents="skip" minOccurs="0" maxOccurs="unbounded"/></sequence></complexType></schema>"#;
/// The payloads want a type of a later edition.
const LATER: &str = r#"<schema xmlns="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:oio:sagdok:3.0.0"><include schemaLocation="../s/SagDokObjekt.xsd"/><simpleType name="BrugervendtNoegleTekst"><restriction base="string"/></simpleType></schema>"#;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The schemas in folders as they import each other.
fn arrange(schemas: &Path, dir: &Path) -> Result<PathBuf> {
    let flat = dir.join("s");
    for folder in [flat.join("1.1"), flat.join("cached"), dir.join("common")] {
        fs::create_dir_all(folder)?;
    }
    for entry in fs::read_dir(schemas)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "xsd") {
            fs::copy(&path, flat.join(path.file_name().unwrap_or_default()))?;
        }
    }
    fs::copy(flat.join("SagDokObjekt.xsd"), flat.join("1.1/SagDokObjekt.xsd"))?;
    fs::write(flat.join("cached/xmldsig-core-schema.xsd"), SIGNATURE)?;
    fs::write(flat.join("1.1/OrganisationFaelles.xsd"), ORGANISATION)?;
    fs::write(dir.join("common/SagDokObjekt.xsd"), LATER)?;
    Ok(flat)
}

/// Whether documents are valid by a schema, and what is said of them.
fn valid(schema: &Path, files: &[PathBuf]) -> Result<(bool, String)> {
    let mut all = (true, String::new());
    for files in files.chunks(500) {
        let mut xmllint = Command::new("xmllint");
        let output = xmllint.args(["--noout", "--nonet", "--schema"]).arg(schema).args(files).output()?;
        all.0 &= output.status.success();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        all.1.extend(said.lines().filter(|line| !line.ends_with(" validates")).flat_map(|line| [line, "\n"]));
    }
    Ok(all)
}

/// The message without the push variant's wrapper, which the schemas do not know, and its payload.
fn parts(message: &str) -> Option<(String, String)> {
    let mut inner = message.to_owned();
    if let Some(at) = inner.find("<ModtagBeskedInput") {
        let end = at + inner[at..].find('>')?;
        inner.replace_range(at..=end, "");
        inner = inner.replace("</ModtagBeskedInput>", "");
    }
    let tag = "Beskeddata>";
    let from = inner.find(tag)? + tag.len();
    let rest = &inner[from..];
    let payload = rest[..rest.rfind(tag)?].rsplit_once("</")?.0.trim();
    let payload = match payload.strip_prefix("<Base64") {
        None => payload.to_owned(),
        Some(coded) => {
            let coded: String = coded.split_once('>')?.1.split('<').next()?.split_whitespace().collect();
            String::from_utf8(STANDARD.decode(coded).ok()?).ok()?
        }
    };
    Some((inner, payload))
}

#[test]
#[ignore = "needs other people's schemas: CONTRIBUTING.md says how it is run"]
#[expect(clippy::disallowed_methods, reason = "the one who runs the test says where the schemas are")]
fn what_the_town_and_the_presets_hold_is_valid_by_the_schemas() -> Result {
    let schemas = std::env::var_os(SCHEMAS).ok_or(format!("{SCHEMAS} names no folder"))?;
    let dir = tempfile::tempdir()?;
    let schemas = arrange(Path::new(&schemas), dir.path())?;
    let town = Town::new(Size { families: 30, background_citizens: 30, faulty: false, ..Size::demo(6_001) });
    let sent = town.messages().filter(|message| message.source == source::JOBCENTRE);
    let mut messages =
        sent.map(|message| String::from_utf8(message.body)).collect::<std::result::Result<Vec<_>, _>>()?;
    assert!(messages.len() > 100, "{} messages of the town", messages.len());
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/presets/oio"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "xml") {
            messages.push(fs::read_to_string(path)?);
        }
    }

    let mut envelopes = Vec::new();
    let mut payloads: [Vec<PathBuf>; 3] = Default::default();
    let keep = |name: String, text: &str| -> Result<PathBuf> {
        let path = dir.path().join(name);
        fs::write(&path, text)?;
        Ok(path)
    };
    for (no, message) in messages.iter().enumerate() {
        let (inner, payload) = parts(message).ok_or("no payload")?;
        envelopes.push(keep(format!("{no}.envelope.xml"), &inner)?);
        let which = PAYLOADS.iter().position(|(namespace, _)| payload.contains(&format!("\"{namespace}\"")));
        payloads[which.ok_or("a payload of no schema")?].push(keep(format!("{no}.payload.xml"), &payload)?);
    }
    let (is_valid, said) = valid(&schemas.join("Beskedkuvert.xsd"), &envelopes)?;
    assert!(is_valid, "{said}");
    for ((_, schema), files) in PAYLOADS.iter().zip(&payloads) {
        assert!(!files.is_empty(), "{schema}");
        let (is_valid, said) = valid(&schemas.join(schema), files)?;
        assert!(is_valid, "{schema}: {said}");
    }
    // And the schemas would tell: an element that is not there, one twice.
    let broken = fs::read_to_string(&envelopes[0])?.replace("BeskedVersion", "BeskedVersjon");
    assert!(!valid(&schemas.join("Beskedkuvert.xsd"), &[keep("broken.xml".into(), &broken)?])?.0);
    let broken = fs::read_to_string(&payloads[0][0])?.replace("LivscyklusKode", "Livscyklus");
    assert!(!valid(&schemas.join(PAYLOADS[0].1), &[keep("broken.xml".into(), &broken)?])?.0);
    Ok(())
}
