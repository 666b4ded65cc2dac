//! Tenantry in a cluster: the one place that says how it gets there.

use tenantry::manifest::crds;

use super::{Cluster, SYSTEM};

impl Cluster {
    /// Our definitions, the namespace of the controller, and what the controller may do.
    pub(crate) fn install(&self) {
        let definitions: String = crds().into_iter().map(|(_, text)| format!("---\n{text}")).collect();
        let applied = self.apply(&definitions).ended(0);
        assert_eq!(applied.err, "", "a warning");
        self.kubectl(&["create", "namespace", SYSTEM]).ended(0);
        self.apply(include_str!("rights.yaml")).ended(0);
        let names: Vec<&str> = applied.out.lines().filter_map(|line| line.split_once(' ')).map(|(name, _)| name).collect();
        let mut words = vec!["wait", "--for=condition=Established", "--timeout=30s"];
        words.extend(names);
        self.kubectl(&words).ended(0);
    }
}
