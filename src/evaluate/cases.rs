//! The tiles that are evaluated on, in columns.

use std::collections::HashMap;

use super::require::Requirement;
use crate::decide::{SEASON_SKY_GROUPS, group_name};
use crate::labelled::{Labelled, LabelledRow};
use crate::{Error, Result};

/// Labels, groups and clusters of the tiles, an entry each.
#[derive(Debug, Clone)]
pub(super) struct Cases {
    /// Names of the groups: season × sky in their usual order, others in that of their appearance.
    pub(super) groups: Vec<String>,
    /// Group of each tile.
    pub(super) group: Vec<u32>,
    /// Whether each tile is a positive.
    pub(super) positive: Vec<bool>,
    /// Cluster of each tile: its site, or itself where sites are unknown.
    pub(super) cluster: Vec<u32>,
    /// Number of clusters.
    pub(super) clusters: usize,
    /// Sites among them.
    pub(super) sites: usize,
}

impl Cases {
    pub(super) fn of(table: &Labelled) -> Self {
        let groups = groups(&table.rows);
        let index: HashMap<&str, u32> = groups.iter().enumerate().map(|(i, name)| (name.as_str(), i as u32)).collect();
        let group = table.rows.iter().map(|row| index.get(&*row.group).copied().unwrap_or_default()).collect();
        let (cluster, clusters, sites) = clusters(&table.rows);
        let positive = table.rows.iter().map(LabelledRow::is_positive).collect();
        Self { group, positive, cluster, clusters, sites, groups }
    }

    /// Refuses tiles that all have the same label. A group may: what it lacks the tiles for is undefined there.
    pub(super) fn check_binary(&self, table: &Labelled) -> Result<()> {
        let positives = self.positive.iter().filter(|positive| **positive).count();
        let negatives = self.positive.len() - positives;
        if positives > 0 && negatives > 0 {
            return Ok(());
        }
        let undecided = match table.n_undecided {
            0 => String::new(),
            n => format!("; {n} tiles are left out, as the model abstained on them or failed (decision)"),
        };
        Err(Error::usage(format!(
            "{}: {positives} positives and {negatives} negatives; both are needed{undecided}",
            table.file
        )))
    }
}

/// Refuses demands on groups of a table that no tile is of, or that have no tile of a label which the metric counts.
///
/// # Errors
/// [`crate::Kind::Usage`], naming the group.
pub fn check_demands(demands: &[Requirement], table: &Labelled, has_baseline: bool) -> Result<()> {
    let groups = groups(&table.rows);
    for demand in demands {
        demand.check::<super::Evaluation>(&groups, has_baseline)?;
        for (positive, label) in [(true, "positives"), (false, "negatives")] {
            let lacks =
                |group: &&String| !table.rows.iter().any(|row| *row.group == ***group && row.is_positive() == positive);
            if super::Evaluation::counts(demand.metric(), positive)
                && let Some(group) = demand.groups(&groups).iter().find(lacks)
            {
                let file = &table.file;
                return Err(demand
                    .wrong(&format!("group {group} of {file} has no {label}; demand it of another group or of all")));
            }
        }
    }
    Ok(())
}

fn groups(rows: &[LabelledRow]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for row in rows {
        if !names.iter().any(|name| **name == *row.group) {
            names.push(row.group.to_string());
        }
    }
    let usual = SEASON_SKY_GROUPS.map(|(season, sky)| group_name(season, sky));
    names.sort_by_key(|name| usual.iter().position(|usual| usual == name).unwrap_or(usual.len()));
    names
}

/// The cluster of every row, how many there are, and how many of them are sites.
fn clusters(rows: &[LabelledRow]) -> (Vec<u32>, usize, usize) {
    let mut of_site: HashMap<&str, u32> = HashMap::new();
    let mut next = 0;
    let mut fresh = || {
        next += 1;
        next - 1
    };
    // In the order of the ranking, in which every draw reads their weights: with a million clusters, half the time.
    let mut order: Vec<u32> = (0..rows.len() as u32).collect();
    order.sort_by(|&a, &b| rows[b as usize].score.unwrap_or(0.0).total_cmp(&rows[a as usize].score.unwrap_or(0.0)));
    let mut cluster = vec![0; rows.len()];
    for row in order {
        cluster[row as usize] = match rows[row as usize].site.as_deref() {
            Some(site) => *of_site.entry(site).or_insert_with(&mut fresh),
            None => fresh(),
        };
    }
    let sites = of_site.len();
    (cluster, next as usize, sites)
}
