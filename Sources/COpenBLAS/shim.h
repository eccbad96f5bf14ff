// OpenBLAS as pkg-config finds it: cblas.h, the calls that name and hold its threads, and what it carries of LAPACK.
#pragma once
#include <cblas.h>
#include <stdbool.h>
#include <stddef.h>

// True for the first call of each thread; for one more call of it in each object file that this is compiled into.
static inline bool thread_is_unheld(void) {
    static _Thread_local bool is_held;
    bool was_held = is_held;
    is_held = true;
    return !was_held;
}

// LAPACK's Fortran routines as gfortran compiles them: matrices by columns, and the length of each text behind all arguments.

// Eigenvalues il ... iu (from 1, ascending) of a symmetric matrix in w, and their vectors in the columns of z.
void dsyevr_(
    const char *jobz, const char *range, const char *uplo, const blasint *n, double *a, const blasint *lda,
    const double *vl, const double *vu, const blasint *il, const blasint *iu, const double *abstol, blasint *m,
    double *w, double *z, const blasint *ldz, blasint *isuppz, double *work, const blasint *lwork, blasint *iwork,
    const blasint *liwork, blasint *info, size_t, size_t, size_t);
// a = Q R, kept as reflectors.
void dgeqrf_(
    const blasint *m, const blasint *n, double *a, const blasint *lda, double *tau, double *work,
    const blasint *lwork, blasint *info);
// The first n columns of that Q in the place of its k reflectors.
void dorgqr_(
    const blasint *m, const blasint *n, const blasint *k, double *a, const blasint *lda, const double *tau,
    double *work, const blasint *lwork, blasint *info);
