//! Plots as SVG.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::prelude::*;

use super::report::median;

/// One bar: a median, and the least and the most around it.
pub(super) struct Bar {
    name: &'static str,
    median: f64,
    range: (f64, f64),
}

impl Bar {
    pub(super) fn of(name: &'static str, figures: Vec<f64>) -> Self {
        let least = figures.iter().copied().fold(f64::INFINITY, f64::min);
        let most = figures.iter().copied().fold(0.0, f64::max);
        Self { name, median: median(figures).unwrap_or(0.0), range: (least, most) }
    }
}

/// Lying bars, the first one on top.
#[expect(clippy::float_arithmetic, reason = "where things lie on a picture")]
pub(super) fn bars(file: &Path, unit: &str, bars: &[Bar]) -> Result<()> {
    let height = 70 + 44 * u32::try_from(bars.len())?;
    let root = SVGBackend::new(file, (860, height)).into_drawing_area();
    let wrong = |error: &dyn std::fmt::Display| anyhow!("cannot draw {}: {error}", file.display());
    root.fill(&WHITE).map_err(|error| wrong(&error))?;
    let most = bars.iter().map(|bar| bar.range.1).fold(1.0, f64::max) * 1.15;
    let count = bars.len() as f64;
    let mut chart = ChartBuilder::on(&root)
        .margin(10)
        .x_label_area_size(40)
        .y_label_area_size(230)
        .build_cartesian_2d(0.0..most, 0.0..count)
        .map_err(|error| wrong(&error))?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .disable_y_axis()
        .x_desc(unit)
        .x_label_formatter(&|x| format!("{x:.0}"))
        .draw()
        .map_err(|error| wrong(&error))?;
    let colour = RGBColor(38, 98, 138);
    for (n, bar) in bars.iter().enumerate() {
        let y = count - n as f64 - 0.5;
        let (least, most) = bar.range;
        let label = format!("{:.0}", bar.median);
        chart
            .draw_series([
                Rectangle::new([(0.0, y - 0.32), (bar.median, y + 0.32)], colour.filled()),
                Rectangle::new([(least, y - 0.02), (most, y + 0.02)], BLACK.filled()),
            ])
            .map_err(|error| wrong(&error))?;
        let style = ("sans-serif", 14).into_font();
        chart
            .draw_series([Text::new(label, (most, y), style.clone().color(&BLACK))])
            .map_err(|error| wrong(&error))?;
        let (x, at) = chart.backend_coord(&(0.0, y));
        root.draw(&Text::new(bar.name, (x - 222, at - 8), style.color(&BLACK)))
            .map_err(|error| wrong(&error))?;
    }
    root.present().map_err(|error| wrong(&error))?;
    Ok(())
}
