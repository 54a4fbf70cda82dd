//! The API's words for Danish readers.

/// A field's name; where there is no word for it, the name itself.
pub(super) fn label(name: &str) -> &str {
    match name {
        "cpr" => "CPR-nummer",
        "uuid" => "person-UUID",
        "citizen" => "borger",
        "hidden" => "udeladt (en andens)",
        "caseId" | "case" => "sag",
        "grantId" | "grant" => "bevilling",
        "personId" => "systemets eget nummer",
        "system" => "system",
        "id" => "nummer",
        "refs" => "kendetegn for samme person",
        "kind" => "slags",
        "sources" => "kilder",
        "coversFrom" => "gælder fra",
        "coversTo" => "gælder til",
        "givenOn" => "givet den",
        "givenBy" => "givet af",
        "basis" => "grundlag",
        "legalReference" => "lovhjemmel",
        "solution" => "løsning",
        "family" => "familie",
        "fromDate" => "fra",
        "toDate" => "til",
        "area" => "område",
        "kle" => "KLE-emne",
        "status" => "status",
        "law" => "lov",
        "offer" => "indsats",
        "rate" => "takst i kroner",
        "per" => "pr.",
        "total" => "bevilget i alt, kroner",
        "amount" => "beløb i kroner",
        "account" => "konto",
        "on" => "den",
        "periodFrom" => "periode fra",
        "periodTo" => "periode til",
        "scale" => "skala",
        "value" => "trin",
        other => other,
    }
}

/// A word of the API, in capitals; where there is no other word for it, itself.
pub(super) fn word(word: &str) -> &str {
    match word {
        "CASE" => "Sag",
        "GRANT" => "Bevilling",
        "PAYMENT" => "Udbetaling",
        "PROGRESS" => "Progression",
        "IDENTITY" => "Identitet",
        "CONSENT" => "Samtykke",
        "ENROLMENT" => "Indskrivning",
        "SPLIT" => "Fordelingsnøgle",
        "NO_CITIZEN" => "ingen person",
        "CONSENT_NOT_COVERING" => "samtykket dækker ikke dagen",
        "NOT_CONSENTED" => "intet samtykke",
        "IDENTITY_CONFLICT" => "uklart hvem",
        "NOT_ENROLLED" => "ikke indskrevet",
        other => other,
    }
}

/// A date or instant as `31.12.2026`; everything else as it is.
pub(super) fn date(text: &str) -> String {
    let day = text.get(..10).unwrap_or_default();
    let is_date =
        day.parse::<jiff::civil::Date>().is_ok() && matches!(text.as_bytes().get(10), None | Some(b'T'));
    match day.split('-').collect::<Vec<_>>()[..] {
        [year, month, day] if is_date => format!("{day}.{month}.{year}"),
        _ => text.to_owned(),
    }
}

/// An amount with two decimals as `1.234,50`; everything else as it is.
pub(super) fn kroner(text: &str) -> String {
    let ore = text.parse::<samspor_domain::Amount>().map(|amount| amount.ore());
    ore.map_or_else(|_| text.to_owned(), |ore| crate::reconcile::kroner(ore.into()))
}
