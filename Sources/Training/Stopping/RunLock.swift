import Foundation
import JSONText
import WeightFiles

/// Keeps a run's folder for one run: a lock of the system on the file `.lock`, which ends with the process, however it ends.
final class RunLock {
    private let path: String
    private var descriptor: Int32

    /// Takes the lock of a folder, which must be there.
    /// - Returns by `stale`: what the holder before has left, if it ended without giving it back.
    /// - Throws: `ConfigError` that names the holder, if another run has it.
    init(folder: String, stale: inout String?) throws {
        path = "\(folder)/.lock"
        while true {
            descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
            guard descriptor >= 0 else {
                throw InputError(path, reason: "cannot be made: \(unsafe String(cString: strerror(errno)))")
            }
            if flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
                let (code, holder) = (errno, Self.holder(path))
                close(descriptor)
                // What follows a throw must not take the holder's file away.
                descriptor = -1
                throw code == EWOULDBLOCK
                    ? ConfigError(
                        key: "output.dir",
                        reason: "another run writes to \(folder): \(holder ?? "it has just begun"); wait for its end, "
                            + "or choose another folder")
                    : ConfigError(
                        key: "output.dir",
                        reason:
                            "\(folder) cannot be locked (\(unsafe String(cString: strerror(code)))), so that two runs "
                            + "could write to it; choose a folder on a file system with locks")
            }
            // The holder before may have removed the file between our open and our lock.
            var (mine, there) = (stat(), stat())
            if unsafe fstat(descriptor, &mine) == 0, unsafe stat(path, &there) == 0, mine.st_ino == there.st_ino,
                mine.st_dev == there.st_dev
            {
                break
            }
            close(descriptor)
        }
        stale = Self.holder(path)
        let own = JSON.object(
            JSONObject([
                ("host", .string(ProcessInfo.processInfo.hostNameOfSystem)),
                ("process", .integer(Int64(getpid()))), ("job", Self.job.map { .string($0) } ?? .null),
                ("since", .string(Date.now.formatted(.iso8601))),
            ]))
        let bytes = Array((own.text() + "\n").utf8)
        _ = ftruncate(descriptor, 0)
        _ = unsafe bytes.withUnsafeBytes { unsafe pwrite(descriptor, $0.baseAddress, $0.count, 0) }
    }

    /// Gives the lock back.
    func release() {
        guard descriptor >= 0 else { return }
        unsafe unlink(path)
        close(descriptor)
        descriptor = -1
    }

    deinit { release() }

    /// The number that the batch system gives this job.
    private static var job: String? {
        let variables = ProcessInfo.processInfo.environment
        return ["SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID"].compactMap { variables[$0] }.first
    }

    /// Who holds a lock, in words.
    private static func holder(_ path: String) -> String? {
        guard let bytes = try? FileSystem.read(path), let json = try? JSON(parsing: bytes),
            let host = json["host"]?.string, let process = json["process"]?.int
        else { return nil }
        return "process \(process) on \(host)" + (json["job"]?.string.map { ", job \($0)" } ?? "")
            + (json["since"]?.string.map { ", since \($0)" } ?? "")
    }
}

extension ProcessInfo {
    /// The name that the kernel gives this host, without asking a name server.
    var hostNameOfSystem: String {
        let name = try? String(contentsOfFile: "/proc/sys/kernel/hostname", encoding: .utf8)
        return name.map { $0.trimmingCharacters(in: .whitespacesAndNewlines) } ?? "an unnamed host"
    }
}
