"""A CERN Open Data record becomes a record of the target repository.

Where to look:
    rules           the table: which path of a CERN record goes where, by which rule
    experiments/    one file per experiment: what differs from the table
    profiles        the vocabulary ids and the shape of each target
    transform       `transform_record`, the one function that a step calls
    identity        how a record of the portal is found again in the repository
    corrections     merge patches of single records, applied before the table
    coverage, diff  what became of each path; what differs from the live record

Nothing is imported here: `identity` alone must stay cheap.
"""
