package rowset
