//! Tenantry in a cluster: the one place that says how it gets there.

use super::{Cluster, SYSTEM};
use crate::chart;

impl Cluster {
    /// Our chart, and what the tests need beside it.
    pub(crate) fn install(&self) {
        self.kubectl(&["create", "namespace", SYSTEM]).ended(0);
        let definitions = concat!(env!("CARGO_MANIFEST_DIR"), "/crds");
        let applied = self.kubectl(&["apply", "--server-side", "-f", definitions]).ended(0);
        assert_eq!(applied.err, "", "a warning");
        let names: Vec<&str> = applied.out.lines().filter_map(|line| line.split_once(' ')).map(|(name, _)| name).collect();
        let mut words = vec!["wait", "--for=condition=Established", "--timeout=30s"];
        words.extend(names);
        self.kubectl(&words).ended(0);
        // Nothing here runs pods: the rest of the chart is rights, and the policy.
        self.apply(&chart::rendered("tenantry", &["--set", "crds.enabled=false"])).ended(0);
        self.apply(include_str!("rights.yaml")).ended(0);
    }
}
