"""The audit log of changes of accounts and team settings.

Its entries about one person are read by `services.account_admin`, erased and exported by
`services.privacy`.
"""
