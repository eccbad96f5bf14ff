import Foundation

/// A path as a shell would read it: a leading `~` stands for the home folder, and a relative path is relative to the
/// current folder.
public func expandingHome(_ path: String) -> String {
    guard path == "~" || path.hasPrefix("~/") else { return path }
    let home = ProcessInfo.processInfo.environment["HOME"] ?? NSHomeDirectory()
    return home + path.dropFirst()
}
