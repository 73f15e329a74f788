"""The vocabulary of opengato: read this package first.

`episode` what is recorded · `sequence` what a transformer reads · `serialize` the one rule between them ·
`batch` many sequences packed in rows · `modality`, `backbone`, `objective`, `environment` the contracts of
plug-ins · `config` how plug-ins and settings are found, saved and corrected.
"""
