//! The books, month by month: vouchers as the messages of their systems.

use jiff::civil::Date;

use crate::g69::{self, Line, Place};
use crate::measure::first_day;
use crate::message::Message;
use crate::month::{self, Reverses, Voucher};
use crate::posting::{Citizen, Posting};
use crate::seed::{Dice, Purpose};
use crate::town::Town;
use crate::{facts, source};

/// Families whose G69 lines of a month go together.
const FAMILIES_A_FILE: u32 = 8;
/// Citizens outside whose G69 lines of a month go together.
const CITIZENS_A_FILE: u32 = 40;

/// What the systems send in a month.
pub(crate) fn of_month(town: Town, month: u32) -> impl Iterator<Item = Message> {
    let settings = town.settings();
    let families =
        (0..settings.families.div_ceil(FAMILIES_A_FILE)).flat_map(move |file| of_families(town, file, month));
    let itself = std::iter::once(month).flat_map(move |month| of_town(town, month));
    let files = settings.background_citizens.div_ceil(CITIZENS_A_FILE);
    families.chain(itself).chain((0..files).flat_map(move |file| outside(town, file, month)))
}

/// A month's messages about the citizens of one file.
struct Book {
    town: Town,
    /// Marks its ids, apart from those of other books.
    series: char,
    /// Its file's number, apart from those of other books.
    file: u32,
    month: u32,
    file_day: Date,
    dice: Dice,
    messages: Vec<Message>,
    prisme: Vec<Posting>,
    oes: Vec<Posting>,
}

fn of_families(town: Town, file: u32, month: u32) -> Vec<Message> {
    let mut book = Book::new(town, 'F', file, month, Purpose::FamilyMonth);
    let last = town.settings().families.min((file + 1) * FAMILIES_A_FILE);
    for no in file * FAMILIES_A_FILE..last {
        let family = town.family(no);
        let vouchers = month::of_family(&family, month, book.file_day, &mut book.dice);
        book.enter((no * 64..).zip(vouchers));
        book.messages.extend(facts::payments(&town, &family, month));
    }
    book.close()
}

fn of_town(town: Town, month: u32) -> Vec<Message> {
    let mut book = Book::new(town, 'S', 0, month, Purpose::TownMonth);
    let vouchers = month::of_town(book.file_day, &mut book.dice);
    book.enter((0..).zip(vouchers));
    book.close()
}

fn outside(town: Town, file: u32, month: u32) -> Vec<Message> {
    let mut book = Book::new(town, 'B', file, month, Purpose::BackgroundMonth);
    let last = town.settings().background_citizens.min((file + 1) * CITIZENS_A_FILE);
    for no in file * CITIZENS_A_FILE..last {
        let outsider = town.outsider(no);
        for (number, measure) in (no * 4..).zip(&outsider.measures) {
            if book.dice.once_in(6) {
                continue;
            }
            let is_opus = measure.source(month) == source::OPUS;
            let citizen = if is_opus && book.dice.once_in(8) {
                Citizen::Uuid(outsider.person.uuid.clone())
            } else {
                Citizen::Cpr(outsider.person.cpr.clone())
            };
            let voucher = month::of_stranger(citizen, measure, month, book.file_day, &mut book.dice);
            book.enter([(number, voucher)]);
        }
    }
    book.close()
}

impl Book {
    fn new(town: Town, series: char, file: u32, month: u32, purpose: Purpose) -> Self {
        let mut dice = Dice::new(town.settings().seed, purpose, u64::from(file) * 32 + u64::from(month));
        let file_day = dice.day_of(first_day(month));
        // Three books share the files' numbers.
        let file = file * 3
            + match series {
                'F' => 0,
                'S' => 1,
                _ => 2,
            };
        Self {
            town,
            series,
            file,
            month,
            file_day,
            dice,
            messages: Vec::new(),
            prisme: Vec::new(),
            oes: Vec::new(),
        }
    }

    /// Enters vouchers under numbers that no other voucher of the month's series has.
    fn enter(&mut self, vouchers: impl IntoIterator<Item = (u32, Voucher)>) {
        for (number, voucher) in vouchers {
            let postings = voucher.postings;
            match voucher.source {
                source::PRISME => self.prisme.extend(postings.into_iter().map(|(posting, _)| posting)),
                source::OES => self.oes.extend(postings.into_iter().map(|(posting, _)| posting)),
                _ => self.enter_opus(number, postings),
            }
        }
    }

    fn enter_opus(&mut self, number: u32, postings: Vec<(Posting, Option<Reverses>)>) {
        let number = format!("{}{number:08}", self.series);
        let voucher = format!("{}-{number}", first_day(self.month).strftime("%Y%m"));
        for (nth, (mut posting, reverses)) in (1..).zip(postings) {
            posting.voucher = Some(voucher.clone());
            posting.reverses = reverses.map(|reverses| match reverses {
                Reverses::Place(place) => format!("{voucher}-{}", place + 1),
                Reverses::Unknown => format!("2019-{number}-1"),
            });
            self.messages.push(posting.to_opus(&format!("{voucher}-{nth}"), &mut self.dice));
        }
    }

    /// Everything that was entered, with some messages a second time, as systems send them after a restart.
    fn close(mut self) -> Vec<Message> {
        let prisme = std::mem::take(&mut self.prisme);
        let oes = std::mem::take(&mut self.oes);
        // Prisme sends files and single lines; ØS sent files only.
        self.write(source::PRISME, prisme, (self.file / 3 + self.month) % 2 == 1);
        self.write(source::OES, oes, false);
        if self.town.settings().faulty && !self.messages.is_empty() && self.dice.once_in(4) {
            let again = self.messages[self.dice.below(self.messages.len())].again();
            self.messages.push(again);
        }
        self.messages
    }

    fn write(&mut self, source: &'static str, mut postings: Vec<Posting>, line_by_line: bool) {
        if postings.is_empty() {
            return;
        }
        postings.push(month::other_side(source, self.file_day, &postings));
        let mut lines = Vec::with_capacity(postings.len());
        for (nth, posting) in (1..).zip(&postings) {
            // Serial numbers have seven digits, and a file has fewer than a thousand lines.
            let place =
                Place { machine: 10_000 + self.file / 5_000, serial: self.file % 5_000 * 1_000 + nth };
            lines.push(Line::new(posting, place, nth as usize, &mut self.dice));
        }
        if line_by_line {
            let ends_in_newline = self.month.is_multiple_of(3);
            self.messages
                .extend(lines.into_iter().map(|line| g69::message(source, vec![line], ends_in_newline)));
        } else {
            self.messages.push(g69::message(source, lines, true));
        }
    }
}
