//! Both releases of Helm, through the life of a chart.

use anyhow::Result;
use events_gateway_cluster::helm::{Helm, Release};
use events_gateway_cluster::{Kubectl, Namespace};
use events_gateway_harness::directory::Directory;

use super::lab::lab;

const CHART: &str = "apiVersion: v2\nname: greeting\nversion: 1.0.0\nkubeVersion: \">=1.33.0-0\"\n";
const TEMPLATE: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\ndata:\n  greeting: {{ .Values.greeting | quote }}\n";

fn chart() -> Result<Directory> {
    let chart = Directory::new("chart")?;
    std::fs::create_dir_all(chart.join("templates"))?;
    chart.write("Chart.yaml", CHART)?;
    chart.write("values.yaml", "greeting: hello\n")?;
    chart.write("templates/greeting.yaml", TEMPLATE)?;
    Ok(chart)
}

async fn lives(release: Release) -> Result<()> {
    let lab = lab().await?;
    let namespace = Namespace::create(&lab.api, release.program()).await?;
    let (chart, kubeconfig) = (chart()?, lab.control_plane.kubeconfig());
    let (helm, kubectl) = (Helm::new(release, &kubeconfig)?, Kubectl::new(&kubeconfig)?);
    let (name, path) = (namespace.name(), chart.path().display());
    let greeting =
        || async { kubectl.say(&format!("-n {name} get configmap world -o jsonpath={{.data.greeting}}")).await };

    helm.say(&format!("install world {path} -n {name} --wait")).await?;
    assert_eq!(greeting().await?, "hello");
    helm.say(&format!("upgrade world {path} -n {name} --set greeting=welcome")).await?;
    assert_eq!(greeting().await?, "welcome");
    helm.say(&format!("rollback world 1 -n {name}")).await?;
    assert_eq!(greeting().await?, "hello");
    helm.say(&format!("uninstall world -n {name}")).await?;
    assert!(greeting().await.is_err());
    Ok(())
}

#[tokio::test]
async fn a_chart_lives_under_helm_3() -> Result<()> {
    lives(Release::Three).await
}

#[tokio::test]
async fn a_chart_lives_under_helm_4() -> Result<()> {
    lives(Release::Four).await
}
