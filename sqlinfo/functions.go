package sqlinfo

import "strings"

// oneArgumentIsClock: age(x) counts from the current date, age(x, y) does not.
const oneArgumentIsClock = "age"

// SafeFunction reports whether every function of PostgreSQL's own (pg_catalog) that
// has this name gives the same answer for the same arguments, data, schema and
// session settings, and changes nothing. Stable functions that depend on settings
// (TimeZone, DateStyle, search_path, default_text_search_config, ...) count as
// safe, since such settings are part of a cache's key. The name is folded, without
// schema. Of age only the form with two arguments is safe, which Parse checks.
//
// A user's function of the same name is another function: who knows the database
// must look for one first.
func SafeFunction(name string) bool {
	_, ok := safeFunctions[name]
	return ok
}

var safeFunctions = wordSet(safeAggregates, safeWindow, safeText, safeMath, safeTime, safeJSON,
	safeArray, safeSearch, safeTypes)

const (
	safeAggregates = `any_value array_agg avg bit_and bit_or bit_xor bool_and bool_or corr count
		covar_pop covar_samp every json_agg json_agg_strict json_object_agg json_object_agg_strict
		json_object_agg_unique json_object_agg_unique_strict jsonb_agg jsonb_agg_strict
		jsonb_object_agg jsonb_object_agg_strict jsonb_object_agg_unique
		jsonb_object_agg_unique_strict max min mode percentile_cont percentile_disc range_agg
		range_intersect_agg regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx
		regr_sxy regr_syy stddev stddev_pop stddev_samp string_agg sum var_pop var_samp variance xmlagg`

	safeWindow = `cume_dist dense_rank first_value lag last_value lead nth_value ntile percent_rank
		rank row_number`

	safeText = `ascii bit_count bit_length btrim casefold char_length character_length chr concat
		concat_ws convert convert_from convert_to crc32 crc32c decode encode format get_bit get_byte
		initcap is_normalized left length like like_escape lower lpad ltrim md5 normalize notlike
		octet_length overlay parse_ident position quote_ident quote_literal quote_nullable
		regexp_count regexp_instr regexp_like regexp_match regexp_matches regexp_replace
		regexp_split_to_array regexp_split_to_table regexp_substr repeat replace reverse right rpad
		rtrim set_bit set_byte sha224 sha256 sha384 sha512 similar_escape similar_to_escape
		split_part starts_with string_to_array string_to_table strpos substr substring to_ascii
		to_bin to_char to_hex to_number to_oct translate unicode_assigned unistr upper textlike
		textnlike texticlike texticnlike textregexeq textregexne texticregexeq texticregexne`

	safeMath = `abs acos acosd acosh asin asind asinh atan atan2 atan2d atand atanh cbrt ceil ceiling
		cos cosd cosh cot cotd degrees div erf erfc exp factorial floor gamma gcd lcm lgamma ln log
		log10 min_scale mod pi pow power radians round scale sign sin sind sinh sqrt tan tand tanh
		trim_scale trunc width_bucket num_nonnulls num_nulls`

	safeTime = `age date_add date_bin date_part date_subtract date_trunc extract isfinite justify_days
		justify_hours justify_interval make_date make_interval make_time make_timestamp
		make_timestamptz overlaps timezone to_date to_timestamp`

	safeJSON = `array_to_json json_array json_array_elements json_array_elements_text
		json_array_length json_arrayagg json_build_array json_build_object json_each json_each_text
		json_exists json_extract_path json_extract_path_text json_object json_object_keys
		json_objectagg json_populate_record json_populate_recordset json_query json_scalar
		json_serialize json_strip_nulls json_table json_to_record json_to_recordset json_typeof
		json_value jsonb_array_elements jsonb_array_elements_text jsonb_array_length
		jsonb_build_array jsonb_build_object jsonb_concat jsonb_contains jsonb_contained jsonb_delete
		jsonb_delete_path jsonb_each jsonb_each_text jsonb_exists jsonb_exists_all jsonb_exists_any
		jsonb_extract_path jsonb_extract_path_text jsonb_insert jsonb_object jsonb_object_keys
		jsonb_path_exists jsonb_path_match jsonb_path_query jsonb_path_query_array
		jsonb_path_query_first jsonb_populate_record jsonb_populate_recordset jsonb_pretty
		jsonb_set jsonb_set_lax jsonb_strip_nulls jsonb_to_record jsonb_to_recordset
		jsonb_typeof row_to_json to_json to_jsonb xml_is_well_formed xml_is_well_formed_content
		xml_is_well_formed_document xmlcomment xmlexists xmltext xpath xpath_exists`

	safeArray = `array_append array_cat array_dims array_fill array_length array_lower array_ndims
		array_position array_positions array_prepend array_remove array_replace array_reverse
		array_sort array_to_string array_upper cardinality generate_series generate_subscripts
		isempty lower_inc lower_inf multirange range_merge trim_array unnest upper_inc upper_inf`

	safeSearch = `array_to_tsvector json_to_tsvector jsonb_to_tsvector numnode phraseto_tsquery
		plainto_tsquery querytree setweight strip to_tsquery to_tsvector ts_delete ts_filter
		ts_headline ts_rank ts_rank_cd tsquery_phrase tsvector_to_array websearch_to_tsquery`

	// Casts in the form of a call, constructors, and what belongs to one type.
	safeTypes = `abbrev area bool box bound_box bpchar broadcast center char cidr circle date
		datemultirange daterange diagonal diameter enum_first enum_last enum_range family float4
		float8 height host hostmask inet inet_merge inet_same_family int2 int4 int4multirange int4range
		int8 int8multirange int8range interval isclosed ishorizontal isopen isparallel isperp
		isvertical line lseg macaddr macaddr8 macaddr8_set7bit masklen money name netmask network
		npoints numeric nummultirange numrange path pclose point polygon popen radius set_masklen
		slope text time timestamp timestamptz tsmultirange tsrange tstzmultirange tstzrange
		uuid_extract_timestamp uuid_extract_version varbit varchar width xml
		pg_collation_for pg_size_bytes pg_size_pretty pg_typeof`
)

func wordSet(lists ...string) map[string]struct{} {
	m := make(map[string]struct{}, 600)
	for _, l := range lists {
		for w := range strings.FieldsSeq(l) {
			m[w] = struct{}{}
		}
	}
	return m
}

// unsafeReasons holds the built-in functions that are known not to be safe.
var unsafeReasons = func() map[string]Reason {
	m := make(map[string]Reason, 200)
	for _, l := range []struct {
		reason Reason
		names  string
	}{
		{ReasonTimeFunction, `clock_timestamp current_date current_time current_timestamp localtime
			localtimestamp now statement_timestamp timeofday transaction_timestamp`},
		{ReasonTimeWithZone, `timetz jsonb_path_exists_tz jsonb_path_match_tz jsonb_path_query_array_tz
			jsonb_path_query_first_tz jsonb_path_query_tz`},
		{ReasonRandomFunction, `array_sample array_shuffle gen_random_uuid random random_normal setseed
			uuidv4 uuidv7`},
		{ReasonSequence, `currval lastval nextval setval`},
		{ReasonObjectIdentifier, `regclass to_regclass to_regcollation to_regdatabase to_regnamespace
			to_regoper to_regoperator to_regproc to_regprocedure to_regrole to_regtype
			to_regtypemod`},
		{ReasonSessionFunction, `current_catalog current_database current_query current_role current_schema
			current_schemas current_setting current_user get_current_ts_config session_user user
			getdatabaseencoding getpgusername has_any_column_privilege has_column_privilege
			has_database_privilege has_foreign_data_wrapper_privilege has_function_privilege
			has_language_privilege has_largeobject_privilege has_parameter_privilege
			has_schema_privilege has_sequence_privilege has_server_privilege has_table_privilege
			has_tablespace_privilege has_type_privilege inet_client_addr inet_client_port
			inet_server_addr inet_server_port pg_backend_pid pg_my_temp_schema row_security_active
			set_config system_user txid_current txid_current_if_assigned txid_current_snapshot
			txid_status version`},
		{ReasonLockFunction, `pg_advisory_lock pg_advisory_lock_shared pg_advisory_unlock
			pg_advisory_unlock_all pg_advisory_unlock_shared pg_advisory_xact_lock
			pg_advisory_xact_lock_shared pg_try_advisory_lock pg_try_advisory_lock_shared
			pg_try_advisory_xact_lock pg_try_advisory_xact_lock_shared`},
		{ReasonUnsafeFunction, `aclexplode bernoulli col_description currtid2 format_type
			icu_unicode_version lo_close lo_creat lo_create lo_export lo_from_bytea lo_get lo_import
			lo_lseek lo_lseek64 lo_open lo_put lo_tell lo_tell64 lo_truncate lo_truncate64 lo_unlink
			loread lowrite mxid_age obj_description shobj_description ts_debug ts_lexize ts_parse
			ts_token_type unicode_version`},
		{ReasonUnsafeFunction, runsText},
	} {
		for w := range strings.FieldsSeq(l.names) {
			m[w] = l.reason
		}
	}
	return m
}()

// runsText lists the built-in functions that run SQL which they are given as text,
// or read relations that they are given the names of.
const runsText = `cursor_to_xml cursor_to_xmlschema database_to_xml database_to_xml_and_xmlschema
	database_to_xmlschema query_to_xml query_to_xml_and_xmlschema query_to_xmlschema schema_to_xml
	schema_to_xml_and_xmlschema schema_to_xmlschema table_to_xml table_to_xml_and_xmlschema
	table_to_xmlschema ts_rewrite ts_stat`

var runsTextSet = wordSet(runsText)

// unsafeBuiltin gives the reason why a built-in function's answer must not be kept;
// "" for a name that is not known as such a one.
func unsafeBuiltin(name string) Reason {
	if r, ok := unsafeReasons[name]; ok {
		return r
	}
	if hasPrefix(name, "pg_") && !SafeFunction(name) {
		return ReasonUnsafeFunction
	}
	return ""
}

// WritesNothing reports whether every function of PostgreSQL's own that has this
// name leaves all tables and the schema as they are, even if its answer must not be
// kept (now, nextval, pg_advisory_lock, ...). It is false for names that are not
// known. The name is folded, without schema.
func WritesNothing(name string) bool {
	if SafeFunction(name) {
		return true
	}
	if _, ok := runsTextSet[name]; ok {
		return false
	}
	return unsafeBuiltin(name) != "" && name != "pg_import_system_collations"
}

// RunsText reports whether a function of PostgreSQL's own that has this name runs SQL
// which it is given as text, or reads relations that it is given the names of, and so
// may do anything. The name is folded, without schema.
func RunsText(name string) bool {
	_, ok := runsTextSet[name]
	return ok
}

// ChangesSession reports whether a built-in function of that name changes a setting
// of the session.
func ChangesSession(name string) bool { return name == "set_config" }
