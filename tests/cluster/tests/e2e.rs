//! The operator and the gateway on a real Kubernetes, in the hands of clients who notice everything.
//!
//! One cluster for all: the chart is installed, a gateway applied, and while records flow to clients through its Service, an
//! Ingress and an HTTPRoute it is scaled, changed, evicted, and left without its operator. After each step all that every
//! client ever saw is judged: nothing lost, repeated or out of order, no gap told, nobody refused. Needs root.
//!
//! `EVENTS_GATEWAY_E2E_CLIENTS` (500) and `EVENTS_GATEWAY_E2E_RATE` (500 records a second) set the load.

mod e2e {
    mod lab;
    mod manifest;
    mod readers;
    mod report;
    mod scene;
    mod steps;

    use anyhow::{Context as _, Result};

    use self::lab::Lab;
    use self::report::Report;
    use self::scene::{Load, Scene};

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn clients_notice_nothing_of_what_happens_to_a_gateway() {
        let lab = Lab::start().await.expect("the cluster starts");
        let mut scene = Scene::new(lab, Load::asked());
        let mut report = Report::new(scene.load);
        let played = play(&mut scene, &mut report).await;
        report.show();
        if let Err(error) = played {
            panic!("{error:#}\n{}", scene.lab.story().await);
        }
        if report.is_broken() {
            panic!("broken:\n{}\n{}", report.broken(), scene.lab.story().await);
        }
    }

    async fn play(scene: &mut Scene, report: &mut Report) -> Result<()> {
        report.step("install, apply, connect", scene, |scene| Box::pin(steps::start(scene))).await?;
        for step in steps::STEPS {
            report.step(step.name, scene, step.act).await.with_context(|| step.name)?;
        }
        report.step("a settled operator", scene, |scene| Box::pin(steps::nothing_is_written(scene))).await
    }
}
