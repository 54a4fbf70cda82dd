//! Plots of how figures move with a size: panels side by side, the size on a scale of powers of ten.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;

/// A figure by size.
pub(super) struct Line {
    pub(super) name: &'static str,
    pub(super) points: Vec<(f64, f64)>,
}

/// Lines of one unit, from zero.
pub(super) struct Panel {
    pub(super) unit: &'static str,
    pub(super) lines: Vec<Line>,
}

const COLOURS: [RGBColor; 2] = [RGBColor(38, 98, 138), RGBColor(201, 113, 38)];
const SIZE: (u32, u32) = (300, 240);

/// Draws panels over one scale of sizes.
pub(super) fn curves(file: &Path, size: &str, panels: &[Panel]) -> Result<()> {
    let count = u32::try_from(panels.len())?;
    let root = SVGBackend::new(file, (SIZE.0 * count, SIZE.1)).into_drawing_area();
    let wrong = |error: &dyn std::fmt::Display| anyhow!("cannot draw {}: {error}", file.display());
    root.fill(&WHITE).map_err(|error| wrong(&error))?;
    for (area, panel) in root.split_evenly((1, panels.len())).iter().zip(panels) {
        draw(area, size, panel).map_err(|error| wrong(&*error))?;
    }
    root.present().map_err(|error| wrong(&error))
}

#[expect(clippy::float_arithmetic, reason = "where things lie on a picture")]
fn draw<'a>(
    area: &DrawingArea<SVGBackend<'a>, Shift>,
    size: &str,
    panel: &Panel,
) -> Result<(), Box<dyn std::error::Error + 'a>> {
    let points = || panel.lines.iter().flat_map(|line| &line.points);
    let least = points().map(|(x, _)| *x).fold(f64::INFINITY, f64::min);
    let most = points().map(|(x, _)| *x).fold(0.0, f64::max);
    let top = points().map(|(_, y)| *y).fold(0.0, f64::max) * 1.15;
    let mut chart = ChartBuilder::on(area)
        .caption(panel.unit, ("sans-serif", 14))
        .margin(8)
        .margin_right(20)
        .x_label_area_size(36)
        .y_label_area_size(48)
        .build_cartesian_2d((least * 0.9..most * 1.1).log_scale(), 0.0..top.max(f64::MIN_POSITIVE))?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc(size)
        .x_labels(6)
        .x_label_formatter(&|x| short(*x))
        .y_label_formatter(&|y| short(*y))
        .draw()?;
    for (line, colour) in panel.lines.iter().zip(COLOURS) {
        let drawn =
            chart.draw_series(LineSeries::new(line.points.iter().copied(), colour.stroke_width(2)))?;
        if panel.lines.len() > 1 {
            drawn
                .label(line.name)
                .legend(move |(x, y)| Rectangle::new([(x, y - 3), (x + 12, y + 3)], colour.filled()));
        }
        chart.draw_series(line.points.iter().map(|point| Circle::new(*point, 3, colour.filled())))?;
    }
    if panel.lines.len() > 1 {
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::LowerLeft)
            .background_style(WHITE.mix(0.8))
            .label_font(("sans-serif", 12))
            .draw()?;
    }
    Ok(())
}

/// A number in few characters.
#[expect(clippy::float_arithmetic, reason = "a label on a picture")]
fn short(number: f64) -> String {
    match number {
        0.0 => "0".to_owned(),
        1e6.. => format!("{} M", trimmed(number / 1e6)),
        1e3.. => format!("{} k", trimmed(number / 1e3)),
        _ => trimmed(number),
    }
}

fn trimmed(number: f64) -> String {
    let text = format!("{number:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
