public import Collectives
import Foundation
import JSONText
import LoRA
import Models
import Tensors

/// Trains an adapter, from its begin or from a checkpoint.
/// - Parameters:
///   - config: a config with `model.path`, `data.train` and `output.dir`.
///   - options: what the command line adds.
///   - world: the ranks; each calls this.
///   - report: gets the run's events, on rank 0 only.
/// - Throws: a `SharedError` where all ranks fail together, with exit code 75 where the run was asked to stop and has saved a
///   checkpoint; any other error where one rank fails.
public func runTraining(
    config: RunConfig, options: RunOptions, world: Communicator, report: (TrainingEvent) -> Void
) throws {
    try world.refuseStrangers()
    let guards = RunGuards(config.training, options, world)
    defer { world.board.enter(.finished, step: 0) }
    try world.agreeOnProgram(config)
    let claim = try world.together {
        try world.rank == 0 ? RunClaim(RunFolder(config.output.dir!), options: options) : nil
    }
    defer { claim?.release() }
    var results: RunResults?
    do {
        try train(config, options, world, claim, guards, into: &results, report)
    } catch {
        if (error as? SharedError)?.exitCode != stoppedExitCode { results?.status.fail(error) }
        throw error
    }
}

/// The exit code of a run that was asked to stop and can go on from its checkpoint.
public let stoppedExitCode: Int32 = 75

private func train(
    _ config: RunConfig, _ options: RunOptions, _ world: Communicator, _ claim: RunClaim?, _ guards: RunGuards,
    into results: inout RunResults?, _ report: (TrainingEvent) -> Void
) throws {
    let checkpoint = try Resumption(claim?.checkpoint, world: world)
    let config = try agreed(checkpoint?.completing(config) ?? config, world)
    try checkpoint?.checkConfig(config, options, world)
    let base = try openBase(config, world, report: report)
    var session = try world.together { try Session(config: config, base: base, adapter: .config) }
    let placement = StatePlacement(config.training, world)
    try session.placeAdapter(placement)
    let identity = try RunIdentity(session, world: world)
    try checkpoint?.checkIdentity(identity, options, world)
    let verification = BaseVerification(session.base, tick: world.board.tick, isOn: world.rank == 0)
    if options.verifyBase {
        try world.together {
            let sum = try verification.wait()
            if !options.acceptChanges { try checkpoint?.checkBase(sum) }
        }
    }
    var trainer = try Trainer(session, placement, world: world, options: options)
    session = trainer.session
    if let checkpoint {
        try checkpoint.load(into: &trainer, claim?.checkpoint)
    } else {
        try AdapterStart(config, base, trainer.adapter).complete(on: trainer.engine.workers, placement, world)
    }

    let configText = try options.configText(session.config)
    results = try world.together { try claim?.prepare(configText: configText, ranks: world.size) }
    if let results {
        trainer.saver = RunSaver(
            .init(
                session: session, identity: identity, folder: results.checkpointsPath, configText: configText,
                metrics: results.metrics, values: session.adapter!.values, m: trainer.optimizer.m,
                v: trainer.optimizer.v, tick: world.board.tick), base: verification,
            knownBase: options.acceptChanges ? nil : checkpoint?.state.baseSHA256)
        trainer.status = results.status
        guards.saver.set(trainer.saver)
    }
    let written = results
    var hasWarned = false
    func emit(_ event: TrainingEvent) throws {
        do { try written?.metrics.write(event) } catch {
            if config.training.onSaveError == .stop { throw error }
            if !hasWarned { report(.warning("\(error); its lines wait until there is room, and training goes on")) }
            hasWarned = true
        }
        written?.status.note(event)
        if world.rank == 0 { report(event) }
    }
    try emit(.started(trainer.summary))
    for warning in claim?.warnings ?? [] { try emit(.warning(warning)) }
    if let checkpoint {
        try emit(
            .resumed(
                path: checkpoint.path, step: checkpoint.state.progress.steps, totalSteps: trainer.totalSteps))
    }
    if let warning = try slowPrecisionWarning(config, world) { try emit(.warning(warning)) }
    if let warning = try world.threadWarning(threads: trainer.engine.workers.count) { try emit(.warning(warning)) }
    if let warning = try world.fingerprintWarning() { try emit(.warning(warning)) }
    if let warning = checkpoint?.fingerprintWarning { try emit(.warning(warning)) }
    if options.debug { try trainer.check { try emit(.warning($0)) } }
    let ending = try trainer.run(results: results, report: emit)
    try world.together { try written?.metrics.flush() }
    guard case .stopped(let reason) = ending else { return }
    try stop(reason, after: trainer.progress.steps, claim, world, emit)
}

/// Ends a run that was asked to stop.
/// - Throws: always: the `SharedError` of the end.
private func stop(
    _ reason: StopRequest.Reason, after steps: Int, _ claim: RunClaim?, _ world: Communicator,
    _ emit: (TrainingEvent) throws -> Void
) throws -> Never {
    let path = claim.map { CheckpointFolder.after(steps, in: $0.checkpointsPath).path }
    try world.together {
        if let path, !CheckpointFolder(path: path).isWhole {
            throw InputError(path, reason: "the run stops after step \(steps), and its checkpoint could not be saved")
        }
    }
    try emit(.stopped(step: steps, path: path))
    let why =
        switch reason {
        case .signal: "on a signal"
        case .time: "before its time is up"
        case .saveError: "because a checkpoint could not be saved"
        }
    throw SharedError(
        exitCode: stoppedExitCode,
        description: "stopped \(why) after step \(steps), with a checkpoint; run again with --resume auto to go on")
}
