// mpi.h spells its handles as casts of addresses, which Swift cannot import: each is handed over by a function.
#pragma once
#include <mpi.h>
#include <sys/syscall.h>
#include <unistd.h>
static inline MPI_Comm ompi_comm_world(void) { return MPI_COMM_WORLD; }
static inline MPI_Info ompi_info_null(void) { return MPI_INFO_NULL; }
static inline MPI_Datatype ompi_int64(void) { return MPI_INT64_T; }
static inline MPI_Datatype ompi_float(void) { return MPI_FLOAT; }
static inline MPI_Datatype ompi_double(void) { return MPI_DOUBLE; }
static inline MPI_Datatype ompi_byte(void) { return MPI_BYTE; }
static inline MPI_Op ompi_sum(void) { return MPI_SUM; }
static inline MPI_Op ompi_min(void) { return MPI_MIN; }
static inline MPI_Op ompi_max(void) { return MPI_MAX; }
static inline MPI_Errhandler ompi_errors_return(void) { return MPI_ERRORS_RETURN; }
static inline const void *ompi_in_place(void) { return MPI_IN_PLACE; }
// memfd_create, which is declared for GNU's dialect alone: a file in memory without a name, closed on exec.
static inline int memory_file(const char *name) { return (int)syscall(SYS_memfd_create, name, 1u); }
