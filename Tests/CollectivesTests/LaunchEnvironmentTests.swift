import Collectives
import Testing

struct LaunchEnvironmentTests {
    @Test func openMPI() throws {
        let launch = try #require(
            LaunchEnvironment([
                "OMPI_COMM_WORLD_RANK": "3", "OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_LOCAL_RANK": "1",
                "OMPI_COMM_WORLD_LOCAL_SIZE": "2", "PMIX_RANK": "3", "SLURM_LOCALID": "0",
            ]))
        #expect(launch.rank == 3 && launch.size == 4 && launch.localRank == 1 && launch.localSize == 2)
    }

    @Test func slurmWithPMIx() throws {
        let launch = try #require(
            LaunchEnvironment(["PMIX_RANK": "5", "SLURM_STEP_NUM_TASKS": "8", "SLURM_LOCALID": "1"]))
        #expect(launch.rank == 5 && launch.size == 8 && launch.localRank == 1 && launch.localSize == nil)
    }

    /// A shell inside a Slurm job is not a rank; nor is anything with a variable that is no number.
    @Test(arguments: [[:], ["SLURM_PROCID": "0", "SLURM_NTASKS": "2"], ["PMIX_RANK": ""], ["PMIX_RANK": "-1"]])
    func aProcessByItself(variables: [String: String]) {
        #expect(LaunchEnvironment(variables) == nil)
    }

    /// Several processes that each believe to be the only one are found out; those of Open MPI, and one alone, are not.
    @Test func strangers() {
        #expect(LaunchEnvironment.strangers(["SLURM_STEP_NUM_TASKS": "4"], size: 1) == 4)
        #expect(LaunchEnvironment.strangers(["PMI_SIZE": "2", "PMI_RANK": "0"], size: 1) == 2)
        #expect(LaunchEnvironment.strangers(["SLURM_STEP_NUM_TASKS": "4"], size: 4) == nil)
        #expect(LaunchEnvironment.strangers(["SLURM_STEP_NUM_TASKS": "1"], size: 1) == nil)
        #expect(
            LaunchEnvironment.strangers(["SLURM_STEP_NUM_TASKS": "2", "OMPI_COMM_WORLD_SIZE": "1"], size: 1) == nil)
        #expect(LaunchEnvironment.strangers([:], size: 1) == nil)
    }
}
