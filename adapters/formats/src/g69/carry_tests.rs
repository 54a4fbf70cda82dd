//! Whole files of G69, line by line: each passes on in its own encoding and with its own end, and says the same posting.

use proptest::prelude::*;
use samspor_domain::{Carry, Decode, Delivery};

use super::place_tests::tag;
use super::{Carrier, Decoder, Encoding, Places, Settings};

const LINE: &str = "003G69020000001220311000000019700101&10300123&1040000001&11020220311&1115528211003000000\
    &112000000012345 &113D&116B\u{e6}-1&1320 2";

fn written(text: &str, encoding: Encoding) -> Vec<u8> {
    match encoding {
        Encoding::Utf8 => text.as_bytes().to_vec(),
        Encoding::Latin1 => {
            text.chars().map(|letter| u8::try_from(u32::from(letter)).unwrap_or(b'?')).collect()
        }
    }
}

proptest! {
    #[test]
    fn the_charset_of_the_content_type_goes_before_the_configured_one(said: bool, configured: bool) {
        let encoding = |latin1| if latin1 { Encoding::Latin1 } else { Encoding::Utf8 };
        let places = Places::new([(250, "{solution}", None)]).expect("places");
        let carrier = Carrier::new(Settings { encoding: encoding(configured) }, places);
        let charset = if said { "iso-8859-1" } else { "utf-8" };
        let with = tag("Sm\u{e5} b\u{f8}rn", None);
        for (content_type, expected) in [
            (Some(format!("text/plain; charset={charset}")), encoding(said)),
            (None, encoding(configured)),
        ] {
            let body = written(LINE, expected).into();
            let came = Delivery { body, content_type, ..Delivery::default() };
            let carried = carrier.carry(&came, Some(&with));
            prop_assert_eq!(carried.left_out, 0);
            prop_assert_eq!(&carried.body[..], &written(&format!("{LINE}&250Sm\u{e5} b\u{f8}rn"), expected)[..]);
            prop_assert_eq!(carrier.carry(&came, None).body, came.body);
        }
    }
}

#[test]
fn what_passes_on_is_the_same_posting() {
    let settings = Settings { encoding: Encoding::Utf8 };
    let line = LINE.replace("&1320 2", "");
    let places = Places::new([(180, "{phase}", None), (300, "{area}", Some(40))]).expect("places");
    let carrier = Carrier::new(settings, places);
    let came = Delivery { body: format!("{line}\r\n").into(), ..Delivery::default() };
    let carried = carrier.carry(&came, Some(&tag("sb", None)));
    assert!(carried.body.ends_with(b"\r\n") && carried.body.len() > came.body.len());
    let source = samspor_domain::Text::new("prisme").expect("short");
    let decoded = |body| {
        let items = Decoder::new(settings).decode(&source, &Delivery { body, ..Delivery::default() });
        items.into_iter().map(|item| item.content.expect("a posting")).collect::<Vec<_>>()
    };
    assert_eq!(decoded(carried.body), decoded(came.body));
}
