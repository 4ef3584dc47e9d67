package sqlinfo
